"""Recall: from the whole catalogue to hundreds. One method a file, and this registry."""

from pipelines.candidates.collaborative import ALS, FittedALS
from pipelines.candidates.popularity import FittedPopularity, Popularity
from pipelines.candidates.two_tower import FittedTwoTower, TwoTower
from pipelines.core.contracts import CandidateGenerator, FittedGenerator

GENERATORS: dict[str, type[CandidateGenerator]] = {
    "popularity": Popularity,
    "collaborative": ALS,
    "two_tower": TwoTower,
}
"""Settings class of each method by its name."""

FITTED: dict[str, type[FittedGenerator]] = {
    "popularity": FittedPopularity,
    "collaborative": FittedALS,
    "two_tower": FittedTwoTower,
}
"""What the method's ``fit`` returns, which is what a release is loaded into."""
