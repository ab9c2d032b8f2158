"""Why a page is as it is: made only for whoever asks, from what the page kept of its making."""

from collections import Counter
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np

from pipelines.core.contracts import History
from pipelines.page import PageItem, PageRequest
from pipelines.rerank.filters import EXCLUDED
from pipelines.rerank.trace import Removal
from serving.recommender import Recommendation

MOST, STRONGEST = 100, 5
TAKEN_DOWN, DISMISSED = "taken down", "dismissed"


def explanation(
    recommended: Recommendation, request: PageRequest, history: History, down: AbstractSet[str]
) -> dict[str, Any]:
    """As Explanation. down: what is taken down; whatever else was excluded is what the member dismissed."""
    removed = [_removed(one, down) for one in recommended.page.trace.removed()]
    weights = _weights(recommended, request, history)
    return {
        "items": [_item(item, recommended, own) for item, own in zip(recommended.page.items, weights, strict=True)],
        "removed": removed[:MOST],
        "removed_by_reason": dict(Counter(one["reason"] for one in removed)),
    }


def _removed(one: Removal, down: AbstractSet[str]) -> dict[str, str]:
    excluded = TAKEN_DOWN if one.media_id in down else DISMISSED
    return {"media_id": one.media_id, "reason": excluded if one.reason == EXCLUDED else one.reason}


def _item(item: PageItem, recommended: Recommendation, weights: dict[str, float]) -> dict[str, Any]:
    moves = recommended.page.trace.moves(item.media_id)
    return {
        "media_id": item.media_id,
        "generators": list(item.generators),
        "features": weights,
        "moves": [{"from": move.start, "to": move.end, "why": move.why} for move in moves],
    }


def _weights(recommended: Recommendation, request: PageRequest, history: History) -> list[dict[str, float]]:
    """Of each title, the features that weighed most; nothing where no ranker made the page."""
    live, items = recommended.live, recommended.page.items
    if recommended.user_row is None or not items:
        return [{} for _ in items]
    rows = np.array([live.rows[item.media_id] for item in items], dtype=np.int64)
    features = live.pager.features(rows, request, recommended.user_row, history)
    return [dict(list(own.items())[:STRONGEST]) for own in live.pager.release.ranker.explain(features)]
