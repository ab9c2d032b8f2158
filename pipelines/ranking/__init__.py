"""Precision: the probability of a watch for every candidate. One method a file, and this registry."""

from pipelines.core.contracts import FittedRanker, Ranker
from pipelines.ranking.deep import Deep, FittedDeep
from pipelines.ranking.forest import FittedForest, Forest
from pipelines.ranking.gbdt import GBDT, FittedGBDT
from pipelines.ranking.lambdarank import LambdaRank
from pipelines.ranking.logistic import FittedLogistic, Logistic

RANKERS: dict[str, type[Ranker]] = {
    "gbdt": GBDT,
    "lambdarank": LambdaRank,
    "deep": Deep,
    "forest": Forest,
    "logistic": Logistic,
}
"""Settings class of each method by its name."""

FITTED: dict[str, type[FittedRanker]] = {
    "gbdt": FittedGBDT,
    "lambdarank": FittedGBDT,
    "deep": FittedDeep,
    "forest": FittedForest,
    "logistic": FittedLogistic,
}
"""What the method's ``fit`` returns, which is what a release is loaded into."""
