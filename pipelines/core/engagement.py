"""What counts as engagement, said once: features, labels and generators all ask here."""

from typing import Any

import ibis

from pipelines.core.dataset import POSITIVE_ABOVE as POSITIVE_ABOVE
from pipelines.core.dataset import Dataset


def with_engaged(watches: Any, ratings: Any | None, dataset: Dataset) -> Any:
    """The watches (an Ibis table) with ``engaged``, never null, and ``judged_at``; rows in = rows out.

    A watch is engaged above the data set's completion threshold. Where completion is unknown and the data set speaks in
    ratings, it is engaged when the member's rating of that media at that time is relevant. ``judged_at``: from when
    that could be known; after the watch's own ``available_at`` where the rating that says it came later.
    """
    enough = dataset.labels.positive_above
    by_completion = (watches.completion > enough).fill_null(False)
    if dataset.relevance != "rating" or ratings is None:
        return watches.mutate(engaged=by_completion, judged_at=watches.available_at)
    relevant = ratings.filter(ratings.rating >= dataset.relevant_rating)
    liked = relevant.group_by("user_id", "media_id", started_at=relevant.rated_at).agg(
        liked_at=relevant.available_at.min()
    )
    joined = watches.left_join(liked, ["user_id", "media_id", "started_at"])
    by_rating = joined.completion.isnull() & joined.liked_at.notnull()
    return joined.select(
        *(joined[name] for name in watches.columns),
        engaged=(joined.completion > enough).fill_null(False) | by_rating,
        judged_at=ibis.ifelse(by_rating, ibis.greatest(joined.available_at, joined.liked_at), joined.available_at),
    )
