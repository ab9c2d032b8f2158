"""What an experiment is, decided before it starts: one YAML file, and the record that is kept of it."""

from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from pipelines.core.config import Config
from pipelines.core.errors import DataError
from pipelines.experiments.assignment import Experiment

Metric = Literal["engagement_rate", "videos_watched", "session_minutes", "sessions"]
"""M1, M2 and M3, each over a member's sessions, and the number of those sessions, which all three divide by."""


class Variant(Config):
    """A release and the share of the members that it answers. ``version`` is found when the experiment starts."""

    release: str = Field(min_length=1)
    share: PositiveFloat
    version: PositiveInt | None = None


class Guardrail(Config):
    """A metric that may not fall by more than ``margin``, as a share of the control's."""

    metric: Metric
    margin: float = Field(gt=0, lt=1)


class Definition(Config):
    """minimum_effect: the relative lift of ``primary`` worth finding (0.02 is two in a hundred), with ``power``, while
    ``alpha`` is the chance of a decision where nothing differs, however often somebody looks until ``planned_end``.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    salt: str = ""
    """The name where it is left out: another experiment shuffles its members anew."""
    variants: dict[str, Variant] = Field(min_length=2)
    control: str
    traffic: float = Field(default=1.0, gt=0, le=1)
    traffic_from: float = Field(default=0.0, ge=0, lt=1)
    start: AwareDatetime | None = None
    """The moment that it was started where it is left out."""
    planned_end: date
    """The last day that counts."""
    primary: Metric = "videos_watched"
    guardrails: tuple[Guardrail, ...] = ()
    minimum_effect: PositiveFloat
    alpha: float = Field(default=0.05, gt=0, le=0.2)
    power: float = Field(default=0.8, ge=0.5, lt=1)
    pre_days: int = Field(default=14, ge=0, le=365)
    """Days before the start that say what each member is like; 0: no adjustment by them."""
    watched_minutes: float = Field(default=2.0, ge=0)
    """A watch longer than this counts as a video watched."""

    @model_validator(mode="after")
    def _agrees(self) -> "Definition":
        if any(not name for name in self.variants):
            raise ValueError("a variant has no name: name each one")
        if self.control not in self.variants:
            raise ValueError(f"control {self.control!r} is none of {', '.join(self.variants)}: name one of them")
        if self.traffic_from + self.traffic > 1 + 1e-9:
            raise ValueError(f"traffic {self.traffic} from {self.traffic_from} on ends beyond 1: take less, or earlier")
        if self.start and self.planned_end < self.start.date():
            raise ValueError(f"planned_end {self.planned_end} lies before the start {self.start.date()}: take a later")
        return self

    @property
    def challengers(self) -> list[str]:
        """Every variant but the control."""
        return [name for name in self.variants if name != self.control]

    @cached_property
    def assignment(self) -> Experiment:
        """What decides who sees which variant."""
        shares = {name: variant.share for name, variant in self.variants.items()}
        return Experiment(
            salt=self.salt or self.name, variants=shares, traffic=self.traffic, traffic_from=self.traffic_from
        )

    def started(self, at: datetime, versions: dict[str, int]) -> "Definition":
        """The same, as it is kept: with the moment it started at, and each release's version in the registry."""
        fixed = {n: v.model_copy(update={"version": versions[v.release]}) for n, v in self.variants.items()}
        return parse(
            self.model_dump() | {"start": self.start or at, "variants": {n: dict(v) for n, v in fixed.items()}}
        )


def overlaps(one: Definition, other: Definition) -> bool:
    """Whether some members would take part in both."""
    low, high = one.assignment.range
    from_, until = other.assignment.range
    return low < until and from_ < high


def parse(content: object, source: str = "the experiment") -> Definition:
    """DataError names each key that is wrong, and what it should be."""
    try:
        return Definition.model_validate(content)
    except ValidationError as exc:
        wrong = "; ".join(_said(problem) for problem in exc.errors(include_url=False))
        raise DataError(f"{source}: {wrong}") from exc


def read(path: Path) -> Definition:
    """The experiment that a YAML file describes; docs/experiments.md has an example."""
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise DataError(f"{path} cannot be read as YAML ({exc}): docs/experiments.md has an example") from exc
    return parse(content, str(path))


def _said(problem: Any) -> str:
    thing = ".".join(str(part) for part in problem["loc"])
    return f"{thing}: {problem['msg']}" if thing else str(problem["msg"])
