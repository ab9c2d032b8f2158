"""What counts as engagement, said once: features, labels and generators all ask here."""

from typing import Any

import ibis

from pipelines.core.dataset import Dataset

POSITIVE_ABOVE = 0.8
"""T1: a watch is a success when more than this share of the title was watched."""


def with_engaged(watches: Any, ratings: Any | None, dataset: Dataset) -> Any:
    """The watches (an Ibis table) with a boolean column ``engaged``, never null; rows in = rows out.

    A watch is engaged above the completion threshold. Where completion is unknown and the data set speaks in ratings,
    it is engaged when the member's rating of that media at that time is relevant.
    """
    by_completion = (watches.completion > POSITIVE_ABOVE).fill_null(False)
    if dataset.relevance != "rating" or ratings is None:
        return watches.mutate(engaged=by_completion)
    rated = ratings.group_by("user_id", "media_id", started_at=ratings.rated_at).agg(rated_value=ratings.rating.max())
    joined = watches.left_join(rated, ["user_id", "media_id", "started_at"])
    liked = ibis.ifelse(joined.completion.isnull(), joined.rated_value >= dataset.relevant_rating, False)
    return joined.mutate(engaged=(joined.completion > POSITIVE_ABOVE).fill_null(False) | liked.fill_null(False)).select(
        *watches.columns, "engaged"
    )
