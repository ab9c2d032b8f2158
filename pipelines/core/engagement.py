"""What counts as engagement, said once: features, labels and generators all ask here."""

from typing import Any

import ibis

from pipelines.core.dataset import POSITIVE_ABOVE as POSITIVE_ABOVE
from pipelines.core.dataset import Dataset


def with_engaged(watches: Any, ratings: Any | None, dataset: Dataset) -> Any:
    """The watches (an Ibis table) with a boolean column ``engaged``, never null; rows in = rows out.

    A watch is engaged above the data set's completion threshold. Where completion is unknown and the data set speaks in
    ratings, it is engaged when the member's rating of that media at that time is relevant.
    """
    enough = dataset.labels.positive_above
    by_completion = (watches.completion > enough).fill_null(False)
    if dataset.relevance != "rating" or ratings is None:
        return watches.mutate(engaged=by_completion)
    rated = ratings.group_by("user_id", "media_id", started_at=ratings.rated_at).agg(rated_value=ratings.rating.max())
    joined = watches.left_join(rated, ["user_id", "media_id", "started_at"])
    liked = ibis.ifelse(joined.completion.isnull(), joined.rated_value >= dataset.relevant_rating, False)
    return joined.mutate(engaged=(joined.completion > enough).fill_null(False) | liked.fill_null(False)).select(
        *watches.columns, "engaged"
    )
