"""The promotion policy: which figures decide, by how much, how surely. A YAML file, so that people read it."""

from pathlib import Path
from typing import Literal

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


class Policy(Config):
    """See policy.yaml, which explains each key."""

    primary: str = Field(pattern=METRIC)
    superiority_margin: NonNegativeFloat = 0.0
    floors: tuple[Floor, ...] = Field(min_length=1)
    guardrails: tuple[Guardrail, ...] = ()
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    resamples: PositiveInt = 1000
    row_resamples: PositiveInt = 300
    minimum_members: PositiveInt = 30
    approval: Literal["never", "inconclusive", "always"] = "never"

    @model_validator(mode="after")
    def _one_margin_a_metric(self) -> "Policy":
        for rules in ("guardrails", "floors"):
            names = [rule.metric for rule in getattr(self, rules)]
            twice = sorted({n for n in names if names.count(n) > 1})
            if twice:
                raise ValueError(f"{rules} name {', '.join(twice)} more than once: give each metric one margin")
        return self

    def asks(self, verdict: str) -> bool:
        """Whether a person decides about a release of this verdict; one that is rejected waits for nobody."""
        return (
            verdict
            in {"never": (), "inconclusive": ("inconclusive",), "always": ("promote", "inconclusive")}[self.approval]
        )


def read(path: Path = DEFAULT) -> Policy:
    """Read a policy file; SettingsError names the file, the key and what it may be."""
    try:
        return Policy.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except FileNotFoundError as exc:
        raise SettingsError(f"{path} is missing: the gate needs a policy (see {DEFAULT.name})") from exc
    except ValidationError as exc:
        found = exc.errors(include_input=False, include_url=False)
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'policy'}: {e['msg']}" for e in found)
        raise SettingsError(f"{path}: {problems}") from exc
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise SettingsError(f"{path} is no YAML: {exc}") from exc
