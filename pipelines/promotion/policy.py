"""The promotion policy: which figures decide, by how much, how surely. A YAML file, so that people read it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, ValidationError, model_validator

from pipelines.core.config import Config
from pipelines.core.errors import SettingsError

DEFAULT = Path(__file__).with_name("policy.yaml")
METRIC = r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*(@[1-9][0-9]*)?$"


class Guardrail(Config):
    """A metric on which a challenger may be worse than the champion by less than ``margin``."""

    metric: str = Field(pattern=METRIC)
    margin: PositiveFloat


class Floor(Config):
    """A metric on which a challenger must beat popularity by more than ``gain``, or may lose at most a share of it."""

    metric: str = Field(pattern=METRIC)
    gain: NonNegativeFloat = 0.0
    share_to_lose: float = Field(default=0.0, ge=0, lt=1)

    def needed(self, value: float) -> float:
        """What is asked of the gain over a floor whose own figure is ``value``."""
        return -self.share_to_lose * abs(value) if self.share_to_lose else self.gain


class Limit(Config):
    """Bounds of one figure of the challenger as a whole: outright, or as a multiple of the champion's."""

    figure: str = Field(pattern=METRIC)
    least: float | None = None
    most: float | None = None
    least_of_champion: PositiveFloat | None = None
    most_of_champion: PositiveFloat | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> "Limit":
        if all(getattr(self, name) is None for name in BOUNDS):
            raise ValueError(f"{self.figure} has no bound: give one of {', '.join(BOUNDS)}")
        return self


BOUNDS = ("least", "most", "least_of_champion", "most_of_champion")


class Slices(Config):
    """Non-inferiority to the champion in every part of each slice in ``names``, on each of ``guardrails``."""

    names: tuple[str, ...] = Field(min_length=1)
    guardrails: tuple[Guardrail, ...] = Field(min_length=1)
    minimum_members: PositiveInt = 100
    too_few: Literal["list", "inconclusive"] = "list"


class Policy(Config):
    """See policy.yaml, which explains each key."""

    primary: str = Field(pattern=METRIC)
    fallback: str | None = Field(default=None, pattern=METRIC)
    superiority_margin: NonNegativeFloat = 0.0
    floors: tuple[Floor, ...] = Field(min_length=1)
    guardrails: tuple[Guardrail, ...] = ()
    limits: tuple[Limit, ...] = ()
    slices: Slices | None = None
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    power: float = Field(default=0.8, ge=0.5, lt=1)
    false_discoveries: float = Field(default=0.05, gt=0, lt=1)
    resamples: PositiveInt = 1000
    row_resamples: PositiveInt = 300
    minimum_members: PositiveInt = 30
    approval: Literal["never", "inconclusive", "always"] = "never"

    @model_validator(mode="after")
    def _each_is_named_once(self) -> "Policy":
        once = {
            "guardrails": [rule.metric for rule in self.guardrails],
            "floors": [rule.metric for rule in self.floors],
            "limits": [limit.figure for limit in self.limits],
            "slices.guardrails": [rule.metric for rule in self.slices.guardrails] if self.slices else [],
            "slices.names": list(self.slices.names) if self.slices else [],
        }
        for rules, names in once.items():
            twice = sorted({n for n in names if names.count(n) > 1})
            if twice:
                raise ValueError(f"{rules} name {', '.join(twice)} more than once: give each one margin or bound")
        return self

    def asks(self, verdict: str) -> bool:
        """Whether a person decides about a release of this verdict; one that is rejected waits for nobody."""
        asked = {"never": (), "inconclusive": ("inconclusive",), "always": ("promote", "inconclusive")}
        return verdict in asked[self.approval]

    @property
    def primaries(self) -> tuple[str, ...]:
        """The primary metric, and the one that stands in for it where a log cannot tell it."""
        return (self.primary, *([self.fallback] if self.fallback else []))

    def measured_in(self, held: Callable[[str], bool]) -> "Policy":
        """The policy on evidence that may lack the primary metric: its fallback takes its place, as a floor too."""
        if not self.fallback or held(self.primary):
            return self
        instead = {"metric": self.fallback}
        floors = tuple(f.model_copy(update=instead) if f.metric == self.primary else f for f in self.floors)
        return self.model_copy(update={"primary": self.fallback, "fallback": None, "floors": floors})

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric that something is asked of, each once."""
        guarded = [*self.guardrails, *(self.slices.guardrails if self.slices else ())]
        return tuple(dict.fromkeys([self.primary, *(f.metric for f in self.floors), *(g.metric for g in guarded)]))


SECTIONS: dict[tuple[str, ...], type[Config]] = {
    (): Policy,
    ("floors",): Floor,
    ("guardrails",): Guardrail,
    ("limits",): Limit,
    ("slices",): Slices,
    ("slices", "guardrails"): Guardrail,
}
"""Which keys stand where in the file."""


def read(path: Path = DEFAULT) -> Policy:
    """Read a policy file.

    Raises:
        SettingsError: naming the file, the key and what it may be; of an unknown key, those that there are.
    """
    try:
        return Policy.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except FileNotFoundError as exc:
        raise SettingsError(f"{path} is missing: the gate needs a policy (see {DEFAULT.name})") from exc
    except ValidationError as exc:
        problems = "; ".join(_problem(e) for e in exc.errors(include_input=False, include_url=False))
        raise SettingsError(f"{path}: {problems}") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise SettingsError(f"{path} is no YAML: {exc}") from exc


def _problem(error: Any) -> str:
    """One fault in words; where a key is unknown, with those that its place knows."""
    place = error["loc"]
    named = ".".join(map(str, place)) or "policy"
    section = SECTIONS.get(tuple(part for part in place[:-1] if isinstance(part, str)))
    if error["type"] != "extra_forbidden" or section is None:
        return f"{named}: {error['msg']}"
    return f"{named} is no key of the policy: known here are {', '.join(section.model_fields)}"
