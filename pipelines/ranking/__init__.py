"""Precision: the probability of a watch for every candidate. One method a file, and this registry."""

from pipelines.core.contracts import FittedRanker, Ranker
from pipelines.ranking.gbdt import GBDT, FittedGBDT
from pipelines.ranking.logistic import FittedLogistic, Logistic

RANKERS: dict[str, type[Ranker]] = {"gbdt": GBDT, "logistic": Logistic}
"""Settings class of each method by its name."""

FITTED: dict[str, type[FittedRanker]] = {"gbdt": FittedGBDT, "logistic": FittedLogistic}
"""What the method's ``fit`` returns, which is what a release is loaded into."""
