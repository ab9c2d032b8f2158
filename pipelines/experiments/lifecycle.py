"""Experiments start and stop by decisions that are kept; what is running follows from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pipelines.adapters.experiment_store import Decisions, ExperimentStore
from pipelines.core.errors import RequestError
from pipelines.experiments.definition import Definition, overlaps, parse

START, STOP = "start", "stop"
REJECTED = "reject"
"""The gate's word for a release that members are spared."""


class Registered(Protocol):
    """A version in the registry."""

    @property
    def version(self) -> int: ...

    @property
    def release_id(self) -> str: ...


class Releases(Protocol):
    """The part of the model registry that a start asks."""

    def releases(self) -> Sequence[Registered]: ...

    def tags(self, version: int) -> dict[str, str]: ...


@dataclass(frozen=True)
class Held:
    """An experiment as it was started, who decided so and why; ``stopped`` is the decision that ended it."""

    definition: Definition
    started: dict[str, Any]
    stopped: dict[str, Any] | None

    @property
    def running(self) -> bool:
        return self.stopped is None


def held(decisions: Decisions) -> list[Held]:
    """Every experiment, in the order of their starts."""
    stops = {row["name"]: row for row in decisions if row["action"] == STOP}
    return [
        Held(parse(row["definition"], f"experiment {row['name']}"), row, stops.get(row["name"]))
        for row in decisions
        if row["action"] == START
    ]


def find(store: ExperimentStore, name: str) -> Held:
    """RequestError names the experiments there are."""
    return _named(held(store.decisions()), name)


def start(
    store: ExperimentStore, registry: Releases, asked: Definition, *, actor: str, reason: str, at: datetime
) -> Definition:
    """Start an experiment; from the next look on, serving answers its members by their variants.

    Raises:
        RequestError: the name was used, a release is not registered or was rejected by the gate, or a running
            experiment has some of these members.
    """
    kept = asked.started(at, _versions(registry, asked))

    def make(decisions: Decisions) -> dict[str, Any]:
        _refuse_conflict(kept, held(decisions))
        return kept.model_dump(mode="json")

    store.decide(kept.name, START, make, actor=actor, reason=reason, at=at)
    return kept


def stop(store: ExperimentStore, name: str, *, actor: str, reason: str, at: datetime) -> None:
    """Stop an experiment; its members are answered by the champion again."""

    def make(decisions: Decisions) -> dict[str, Any]:
        found = _named(held(decisions), name)
        if found.stopped:
            raise RequestError(f"experiment {name} was stopped at {found.stopped['decided_at']}: nothing runs any more")
        return found.definition.model_dump(mode="json")

    store.decide(name, STOP, make, actor=actor, reason=reason, at=at)


def _versions(registry: Releases, asked: Definition) -> dict[str, int]:
    known = {one.release_id: one.version for one in registry.releases()}
    for name, variant in asked.variants.items():
        if variant.release not in known:
            there = ", ".join(list(known)[:5]) or "none"
            raise RequestError(
                f"variant {name} names release {variant.release!r}, which is not registered: the latest are {there}"
            )
        if registry.tags(known[variant.release]).get("verdict") == REJECTED:
            raise RequestError(
                f"variant {name} names release {variant.release}, which the gate rejected: take one that it did not"
            )
    return known


def _refuse_conflict(asked: Definition, before: list[Held]) -> None:
    if any(asked.name == one.definition.name for one in before):
        raise RequestError(f"experiment {asked.name!r} was started before: give this one a name of its own")
    for other in (one.definition for one in before if one.running):
        if overlaps(asked, other):
            low, high = other.assignment.range
            raise RequestError(
                f"experiment {asked.name!r} takes members that {other.name!r} has, from {low:g} to {high:g} of the "
                "traffic: stop that one, or set traffic_from and traffic beside it"
            )


def _named(known: list[Held], name: str) -> Held:
    for one in known:
        if one.definition.name == name:
            return one
    there = ", ".join(one.definition.name for one in known) or "none was started"
    raise RequestError(f"there is no experiment {name!r}: {there}")
