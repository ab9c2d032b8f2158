"""Precision: the probability of a watch for every candidate. One method a file, and this registry."""

from pipelines.core.contracts import FittedRanker, Ranker
from pipelines.ranking.deep import Deep, FittedDeep
from pipelines.ranking.ensemble import Ensemble, FittedEnsemble
from pipelines.ranking.forest import FittedForest, Forest
from pipelines.ranking.gbdt import GBDT, FittedGBDT
from pipelines.ranking.lambdarank import LambdaRank
from pipelines.ranking.logistic import FittedLogistic, Logistic

RANKERS: dict[str, type[Ranker]] = {
    "ensemble": Ensemble,
    "gbdt": GBDT,
    "lambdarank": LambdaRank,
    "deep": Deep,
    "forest": Forest,
    "logistic": Logistic,
}
"""Settings class of each method by its name."""

DEFAULT = "ensemble"
"""The method of a release where nobody names another."""

FITTED: dict[str, type[FittedRanker]] = {
    "ensemble": FittedEnsemble,
    "gbdt": FittedGBDT,
    "lambdarank": FittedGBDT,
    "deep": FittedDeep,
    "forest": FittedForest,
    "logistic": FittedLogistic,
}
"""What the method's ``fit`` returns, which is what a release is loaded into."""
