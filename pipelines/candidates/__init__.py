"""Recall: from the whole catalogue to hundreds. One method a file, and this registry."""

from pipelines.candidates.collaborative import ALS, FittedALS
from pipelines.candidates.content import Content, FittedContent
from pipelines.candidates.mixed_effects import FittedMixedEffects, MixedEffects
from pipelines.candidates.neighbours import FittedNeighbours, Neighbours
from pipelines.candidates.popularity import FittedPopularity, Popularity
from pipelines.candidates.trending import FittedTrending, Trending
from pipelines.candidates.two_tower import FittedTwoTower, TwoTower
from pipelines.core.contracts import CandidateGenerator, FittedGenerator

GENERATORS: dict[str, type[CandidateGenerator]] = {
    "popularity": Popularity,
    "collaborative": ALS,
    "neighbours": Neighbours,
    "content": Content,
    "trending": Trending,
    "mixed_effects": MixedEffects,
    "two_tower": TwoTower,
}
"""Settings class of each method by its name."""

EFFECTS = "mixed_effects"
"""The method whose scores are log odds of a watch once looked at, learnt from failures too."""

FITTED: dict[str, type[FittedGenerator]] = {
    "popularity": FittedPopularity,
    "collaborative": FittedALS,
    "neighbours": FittedNeighbours,
    "content": FittedContent,
    "trending": FittedTrending,
    "mixed_effects": FittedMixedEffects,
    "two_tower": FittedTwoTower,
}
"""What the method's ``fit`` returns, which is what a release is loaded into."""
