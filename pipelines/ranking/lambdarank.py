"""R3 LightGBM that learns the order of each member's titles: for pages that are judged by their order alone.

Source: Burges, From RankNet to LambdaRank to LambdaMART, MSR-TR-2010-82.
"""

from typing import Literal

from pipelines.ranking.gbdt import GBDT


class LambdaRank(GBDT):
    """GBDT with its other objective. A member whose rows are all of one class teaches it nothing."""

    objective: Literal["binary", "lambdarank"] = "lambdarank"
