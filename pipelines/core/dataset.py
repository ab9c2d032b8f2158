"""dataset.yaml: what a data set says of itself: its name, its zone, its own columns, and what it lacks."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from pipelines.core.config import Config
from pipelines.core.errors import DataError
from pipelines.core.tables import MEDIA, TYPES, USERS, Column, Table

FILE = "dataset.yaml"


class ExtraColumn(Config):
    """A column beyond the canonical ones. It becomes a feature of its entity without code."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    entity: Literal["user", "media"]
    type: Literal["string", "float", "int", "bool", "strings"]
    meaning: str


class LabelPolicy(Config):
    """Where success ends and failure begins (T1), and how long to wait before judging."""

    positive_above: float = Field(default=0.8, gt=0)
    """More than this share of a title watched is a success: a positive label, and an engagement."""
    negative_below: float = Field(default=0.1, gt=0)
    """Less is a failure; what lies between the two has no label."""
    grace_seconds: float = Field(default=0.0, ge=0)
    """Time a member has to start, beyond the running time, before an impression without a watch is a failure."""

    @model_validator(mode="after")
    def _in_order(self) -> "LabelPolicy":
        if self.negative_below > self.positive_above:
            raise ValueError(
                f"negative_below {self.negative_below} lies above positive_above {self.positive_above}: "
                "a watch cannot be both"
            )
        return self


POSITIVE_ABOVE = LabelPolicy().positive_above


class Dataset(Config):
    """The data set in the lake. ``relevance`` says what counts as relevant: completion (T1) or rating."""

    name: str = Field(min_length=1)
    source: str
    time_zone: str = "UTC"
    relevance: Literal["completion", "rating"] = "completion"
    relevant_rating: float = 4.0
    labels: LabelPolicy = LabelPolicy()
    """What a success and a failure are here: features, generators, rankers and figures all go by it."""
    impressions_logged: bool = True
    """False where nobody logged what was shown (MovieLens): rankers then train on sampled negatives."""
    columns: tuple[ExtraColumn, ...] = ()
    licence: str | None = None
    citation: str | None = None

    def extras(self, entity: Literal["user", "media"]) -> tuple[Column, ...]:
        """The declared columns of one entity, as table columns."""
        return tuple(Column(c.name, TYPES[c.type], c.meaning) for c in self.columns if c.entity == entity)

    def extras_of(self, table: Table) -> tuple[Column, ...]:
        """The declared columns that stand in ``table``: those of the member in users, of the title in media."""
        if table.name == USERS.name:
            return self.extras("user")
        return self.extras("media") if table.name == MEDIA.name else ()


def read(folder: Path) -> Dataset:
    """Read ``folder/dataset.yaml``; DataError names the file, the key and what it may be."""
    path = folder / FILE
    try:
        return Dataset.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except FileNotFoundError as exc:
        raise DataError(f"{path} is missing: every data set needs one (name, source, time_zone, columns)") from exc
    except (ValidationError, yaml.YAMLError) as exc:
        raise DataError(f"{path}: {exc}") from exc


def write(dataset: Dataset, folder: Path) -> None:
    """Write ``folder/dataset.yaml``, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    staged = folder / f".{FILE}.tmp"
    staged.write_text(yaml.safe_dump(dataset.model_dump(mode="json"), sort_keys=False), encoding="utf-8")
    staged.replace(folder / FILE)
