"""The parent of every ranker's settings: what a method is taken to be where its own class does not say otherwise."""

from typing import ClassVar

from pipelines.core.config import Config
from pipelines.core.contracts import Space


class Method(Config):
    """Subclass it above the settings of a ranker."""

    READS: ClassVar[tuple[str, ...]] = ()
    SPACE: ClassVar[Space] = {}
    MIDDLE: ClassVar[bool] = False
