"""Explicit feedback in past time (F2): learn ratings known before a day, score those of later days by RMSE (M10).

And what ratings leave out: how few there are beside what members did, and that who rates what is no accident.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines import backtest
from pipelines.backtest import Say
from pipelines.core import days
from pipelines.core.errors import DataError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.metrics.intervals import Interval, as_codes, bootstrap_statistic, ratio
from pipelines.metrics.rating import STATISTICS, rmse_statistic
from pipelines.ranking.ratings import FittedRatings, RatingModel

MEAN, BIASES, FACTORS = "global mean", "member and media bias", "biases and factors"
FEEDBACK = ("impressions", "watches", "dismissals", "ratings")
COLUMNS = ["user_id", "media_id", "rated_at", "available_at", "rating"]
TENTHS = 10
RESAMPLES = 1000

Floats = npt.NDArray[np.float64]


def run(
    source: str,
    path: Path,
    *,
    settings: Settings,
    test_from: date,
    test_to: date | None = None,
    seed: int = 7,
    model: RatingModel | None = None,
    say: Say = lambda step: None,
) -> dict[str, Any]:
    """RMSE and MAE of the rating model and of its floors on the ratings from ``test_from`` on, with intervals.

    ``settings.home`` must be empty. Also counts what there is of each feedback, and means by popularity and activity.

    Raises:
        DataError: for an unknown source, a folder in use, no ratings at all, or none before or after the day.
    """
    lake, _ = backtest.imported(source, path, settings=settings, say=say)
    rows = ratings(lake)
    begin = days.start(test_from, lake.dataset.time_zone)
    before, later = _split(rows, begin, test_to, lake.dataset.time_zone)
    say(f"fit {len(before):,} ratings")
    fitted = fit(before, model or RatingModel(), seed=seed)
    say(f"score {len(later):,} ratings")
    return {
        "dataset": lake.dataset.name,
        "seed": seed,
        "test_from": test_from.isoformat(),
        "test_to": days_of(later, lake.dataset.time_zone),
        "counts": {"fitted": len(before), "scored": len(later), "members_scored": int(later.user_id.nunique())},
        **score(fitted, later, seed=seed),
        "feedback": feedback(lake),
        "missing": missing(rows, seed=seed),
    }


def ratings(lake: Lake) -> pd.DataFrame:
    """Every rating in the lake; DataError where the data set has none."""
    if not lake.exists("ratings"):
        raise DataError(f"{lake.dataset.name} has no ratings: its members only watch; backtest it without --ratings")
    frame: pd.DataFrame = lake.read("ratings", columns=COLUMNS).to_pandas()
    return frame


def _split(rows: pd.DataFrame, begin: Any, test_to: date | None, zone: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(known before the day, given from it on); of a pair that was rated twice before, the later rating."""
    before = rows[(rows["rated_at"] < begin) & (rows["available_at"] < begin)].sort_values("rated_at", kind="stable")
    before = before.drop_duplicates(["user_id", "media_id"], keep="last")
    later = rows[rows["rated_at"] >= begin]
    if test_to is not None:
        later = later[later["rated_at"] < days.start(test_to + timedelta(days=1), zone)]
    if before.empty or later.empty:
        first, last = (rows["rated_at"].agg(end).date() for end in ("min", "max"))
        raise DataError(
            f"a test from {begin:%Y-%m-%d} to {test_to or 'the end'} leaves {len(before)} ratings to learn from and "
            f"{len(later)} to score: the lake holds {first} to {last}"
        )
    return before, later


def days_of(later: pd.DataFrame, zone: str) -> str:
    """The last day scored."""
    return str(later["rated_at"].max().tz_convert(zone).date())


def fit(before: pd.DataFrame, model: RatingModel, *, seed: int) -> dict[str, FittedRatings]:
    """The floors and the model, by name: each is the one above it and something more."""
    rating = before["rating"].to_numpy(np.float64)
    plain = model.model_copy(update={"factors": 0})
    nobody = plain.model_copy(update={"damping": float("inf")})
    asked = {MEAN: nobody, BIASES: plain, FACTORS: model}
    return {name: of.fit(before["user_id"], before["media_id"], rating, seed=seed) for name, of in asked.items()}


def score(fitted: Mapping[str, FittedRatings], later: pd.DataFrame, *, seed: int) -> dict[str, Any]:
    """``models``: each one's figures on all rows, and on those whose member and title had ratings (``known``);
    ``gains``: how much lower the RMSE of each is than that of the one before it, paired."""
    known = fitted[FACTORS].knows(later["user_id"], later["media_id"])
    parts = {"all": later, "known": later[known]}
    models: dict[str, Any] = {}
    for name, one in fitted.items():
        models[name] = {
            part: figures(rows.rating, one.predict(rows.user_id, rows.media_id), rows.user_id, seed)
            for part, rows in parts.items()
            if len(rows)
        }
    order = list(fitted)
    gains = {
        f"{better} against {worse}": gain(later, fitted[better], fitted[worse], seed=seed).as_dict()
        for worse, better in pairwise(order)
    }
    return {"models": models, "gains": gains, "share_known": float(known.mean())}


def figures(rating: npt.ArrayLike, predicted: Floats, members: npt.ArrayLike, seed: int) -> dict[str, Any]:
    """RMSE and MAE with their intervals over members."""
    owners, codes = as_codes(members)
    return {
        name: bootstrap_statistic(len(owners), make(rating, predicted, codes, len(owners)), seed, RESAMPLES).as_dict()
        for name, make in STATISTICS.items()
    }


def gain(later: pd.DataFrame, better: FittedRatings, worse: FittedRatings, *, seed: int) -> Interval:
    """The RMSE of ``worse`` less that of ``better`` on the same rows, under the same draws of members."""
    owners, codes = as_codes(later["user_id"])
    x, y = (
        rmse_statistic(later["rating"], one.predict(later["user_id"], later["media_id"]), codes, len(owners))
        for one in (worse, better)
    )
    return bootstrap_statistic(len(owners), lambda counts: x(counts) - y(counts), seed, RESAMPLES)


def feedback(lake: Lake) -> dict[str, int]:
    """How many rows there are of each kind of feedback."""
    return {name: lake.read(name, columns=["user_id"]).num_rows if lake.exists(name) else 0 for name in FEEDBACK}


def missing(rows: pd.DataFrame, *, seed: int) -> dict[str, Any]:
    """What would not be so if ratings were missing at random: the mean rating, with its interval, and the share of all
    ratings, of each tenth of the titles (``media_id``) and of the members (``user_id``), those rated most first."""
    return {by: _tenths(rows, by, seed) for by in ("media_id", "user_id")}


def _tenths(rows: pd.DataFrame, by: str, seed: int) -> list[dict[str, Any]]:
    counts = rows[by].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    tenth = pd.Series(np.arange(len(counts)) * TENTHS // len(counts), index=counts.index)
    of_row = rows[by].map(tenth).to_numpy()
    found = []
    for number in range(int(tenth.max()) + 1):
        mine = rows[of_row == number]
        owners, codes = as_codes(mine["user_id"])
        total = np.bincount(codes, weights=mine["rating"].to_numpy(np.float64))
        mean = bootstrap_statistic(len(owners), ratio(total, np.bincount(codes)), seed, RESAMPLES)
        found.append({"tenth": number + 1, "share": len(mine) / len(rows), "mean": mean.as_dict()})
    return found
