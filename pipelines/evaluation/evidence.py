"""Joins the scores of one window into the Evidence that the gate compares."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from pipelines.core import evidence
from pipelines.core.evidence import Evidence
from pipelines.evaluation.offline import ListEvidence
from pipelines.evaluation.slices import UNKNOWN


@dataclass(frozen=True)
class Scored:
    """Labelled rows as they come, all (rows,): unique ids, the id of each row's member, label, probability."""

    ids: npt.ArrayLike
    members: npt.ArrayLike
    label: npt.ArrayLike
    probability: npt.ArrayLike


def gather(
    lists: Mapping[str, ListEvidence],
    rows: Mapping[str, Scored],
    *,
    test_from: date,
    test_to: date,
    fitted_through: date,
    release_id: str | None = None,
    slices: Mapping[str, Mapping[str, str]] | None = None,
    figures: Mapping[str, float] | None = None,
    reliability: npt.NDArray[np.float64] | None = None,
) -> Evidence:
    """One Evidence over every member that any part names; a list's figure is NaN for a member it does not know.

    lists: name -> lists, whose ``ndcg@10`` becomes ``<name>.ndcg@10``. rows: name -> labelled rows. slices: name ->
    the word of each member, UNKNOWN for those whom it leaves out.
    """
    named = [lists[n].members for n in lists] + [np.asarray(rows[n].members).astype(np.str_) for n in rows]
    members = np.unique(np.concatenate(named)) if named else np.empty(0, dtype=np.str_)
    metrics = {}
    for name, scored in lists.items():
        places = np.searchsorted(members, scored.members)
        for metric, values in scored.values.items():
            metrics[f"{name}.{metric}"] = np.full(len(members), np.nan)
            metrics[f"{name}.{metric}"][places] = values
    labelled = {
        name: evidence.rows(
            r.ids, np.searchsorted(members, np.asarray(r.members).astype(np.str_)), r.label, r.probability
        )
        for name, r in rows.items()
    }
    words = {
        name: np.array([of.get(member, UNKNOWN) for member in members.tolist()], dtype=np.str_)
        for name, of in (slices or {}).items()
    }
    days = (test_from, test_to, fitted_through)
    return Evidence(*days, members, metrics, labelled, release_id, words, figures or {}, reliability)
