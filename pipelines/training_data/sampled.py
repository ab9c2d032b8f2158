"""Rows for data sets that never logged what was shown (MovieLens): engaged media against sampled ones."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import PositiveInt

from pipelines.core.config import Config
from pipelines.training_data.draws import uniform

SAMPLED = "sampled"
"""The policy of rows that were made, not shown."""

_SPARE = 4
"""Draws a wanted negative, so that enough remain where some hit what the member knows already."""


class SamplingConfig(Config):
    """How many negatives to draw for each positive."""

    per_positive: PositiveInt = 4


def sample_negatives(
    positives: pd.DataFrame, media: pd.DataFrame, known: pd.DataFrame, config: SamplingConfig, seed: int
) -> pd.DataFrame:
    """Up to ``per_positive`` rows a positive: the same member and moment, other media, uniformly drawn, none twice.

    positives: impression_id, user_id, media_id, event_timestamp, day. media: media_id, available_at. known: user_id,
    media_id of everything a member ever touched, which is never drawn. Only media available at the moment are drawn;
    where none is, the positive goes without. The draws of a positive depend on its id and the seed alone.
    """
    shelf = media.sort_values(["available_at", "media_id"], kind="stable").reset_index(drop=True)
    on_shelf = np.searchsorted(shelf["available_at"].to_numpy(), positives["event_timestamp"].to_numpy(), side="right")
    drawn = pd.concat(
        [_draw(positives, on_shelf, number, seed) for number in range(config.per_positive * _SPARE)], ignore_index=True
    )
    drawn["media_id"] = shelf["media_id"].to_numpy()[drawn["place"].to_numpy()]
    fresh = drawn[~_touched(drawn, known)].drop_duplicates(["source", "media_id"])
    kept = fresh[fresh.groupby("source", sort=False).cumcount() < config.per_positive]
    rows = positives.iloc[kept["source"].to_numpy()].reset_index(drop=True)
    return rows.assign(
        impression_id=rows["impression_id"].astype(str) + "~" + kept["number"].astype(str).to_numpy(),
        media_id=kept["media_id"].to_numpy(),
    )


def _draw(positives: pd.DataFrame, on_shelf: npt.NDArray[np.int64], number: int, seed: int) -> pd.DataFrame:
    """One place on the shelf for each positive that has any to draw from."""
    place = (uniform(positives["impression_id"], seed, number) * on_shelf).astype(np.int64)
    drawn = pd.DataFrame(
        {
            "source": np.arange(len(positives)),
            "number": number,
            "place": place,
            "user_id": positives["user_id"].to_numpy(),
        }
    )
    return drawn[on_shelf > 0]


def _touched(drawn: pd.DataFrame, known: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """(n,) True where the member knows the drawn media already."""
    pairs = pd.MultiIndex.from_frame(known[["user_id", "media_id"]].drop_duplicates())
    found: npt.NDArray[np.bool_] = pd.MultiIndex.from_frame(drawn[["user_id", "media_id"]]).isin(pairs)
    return found
