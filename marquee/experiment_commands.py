"""`marquee experiment`: plan, start, stop, list and read experiments on live traffic."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marquee import console
from pipelines.core import settings as settings_module

if TYPE_CHECKING:
    from pipelines.adapters.experiment_store import ExperimentStore

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on stdout.")]
File = Annotated[Path, typer.Argument(help="The YAML file that describes it.", show_default=False)]
Name = Annotated[str, typer.Argument(help="The experiment's name.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why, for whoever asks later.", show_default=False)]
Actor = Annotated[str | None, typer.Option(help="Who decides; the name you are logged in by where left out.")]

group = typer.Typer(no_args_is_help=True, help="Releases against each other on live traffic.")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(group, name="experiment")


@group.command()
def plan(
    file: File,
    days: Annotated[list[int] | None, typer.Option(min=1, help="Lengths to try, in days; repeatable.")] = None,
    as_json: Json = False,
) -> None:
    """Members and days that the effect in the file needs, judged by the lake's last days."""
    from pipelines.experiments import definition, job

    asked = definition.read(file)
    found = job.plan(settings_module.load(), asked, tuple(sorted(set(days))) if days else job.LENGTHS)
    if as_json:
        console.result(found.as_dict())
        return
    rows = [
        (one.days, one.members, one.needed, f"{one.detectable:.2%}", f"{one.saved:.0%}", "yes" if one.enough else "no")
        for one in found.horizons
    ]
    headings = ("days", "members by then", "members needed", "effect they find", "CUPED saves", "enough")
    console.table(f"{asked.name}: {asked.primary} +{asked.minimum_effect:.2%}, power {asked.power:.0%}", headings, rows)
    console.line(
        f"run it for {found.days} days: {found.members:,} members are needed"
        if found.days
        else "no length suffices: take more traffic, run longer, or look for a larger effect"
    )


@group.command()
def start(file: File, reason: Reason, actor: Actor = None, as_json: Json = False) -> None:
    """Start an experiment; every API process serves it within seconds."""
    from pipelines.adapters.model_registry import ModelRegistry
    from pipelines.experiments import definition, lifecycle

    settings = settings_module.load()
    asked = definition.read(file)
    with _store() as store:
        kept = lifecycle.start(
            store, ModelRegistry(settings), asked, actor=actor or getpass.getuser(), reason=reason, at=datetime.now(UTC)
        )
    if as_json:
        console.result(kept.model_dump(mode="json"))
    else:
        told = ", ".join(f"{name} {variant.release}" for name, variant in kept.variants.items())
        console.line(f"{kept.name} runs from {kept.start} through {kept.planned_end}: {told}")


@group.command()
def stop(name: Name, reason: Reason, actor: Actor = None) -> None:
    """Stop an experiment; its members are answered by the champion again."""
    from pipelines.experiments import lifecycle

    with _store() as store:
        lifecycle.stop(store, name, actor=actor or getpass.getuser(), reason=reason, at=datetime.now(UTC))
    console.line(f"{name} is stopped")


@group.command("list")
def list_(as_json: Json = False) -> None:
    """Every experiment, with who started and who stopped it."""
    from pipelines.experiments import lifecycle

    with _store() as store:
        found = lifecycle.held(store.decisions())
    if as_json:
        console.result({"experiments": [_told(one) for one in found]})
        return
    rows = [
        (
            one.definition.name,
            ", ".join(f"{n} {v.release} ({v.share:g})" for n, v in one.definition.variants.items()),
            "{:g} to {:g}".format(*one.definition.assignment.range),
            f"{one.started['decided_at']:%Y-%m-%d} {one.started['actor']}: {one.started['reason']}",
            f"{one.stopped['decided_at']:%Y-%m-%d} {one.stopped['actor']}: {one.stopped['reason']}"
            if one.stopped
            else f"runs through {one.definition.planned_end}",
        )
        for one in found
    ]
    console.table("Experiments", ("name", "variants", "traffic", "started", "stopped"), rows)


@group.command()
def read(
    name: Name,
    through: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day to count; the lake's last by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What the experiment says so far, and the page that shows it; exit code 1 where it refuses to say anything."""
    from monitoring import experiments

    day = through.date().isoformat() if through else None
    found = experiments.read(settings_module.load(), name, day, at=datetime.now(UTC))
    if as_json:
        console.result(found)
    else:
        _show(found)
    if found["verdict"] == "refused":
        raise typer.Exit(1)


def _show(found: dict[str, Any]) -> None:
    console.line(f"{found['experiment']}, day {found['day']} of {found['days']}: {found['verdict']}")
    for reason in found["reasons"]:
        console.line(f"  {reason}")
    rows = [
        (effect["variant"], effect["metric"], *(_percent(effect["interval"][end]) for end in ("value", "low", "high")))
        for effect in found["effects"]
    ]
    if rows:
        console.table("Lift over the control", ("variant", "metric", "lift", "from", "to"), rows)
    console.line(f"page: {found['page']}")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2%}"


def _told(one: Any) -> dict[str, Any]:
    return {
        "definition": one.definition.model_dump(mode="json"),
        "running": one.running,
        "started": {name: str(one.started[name]) for name in ("decided_at", "actor", "reason")},
        "stopped": {name: str(one.stopped[name]) for name in ("decided_at", "actor", "reason")}
        if one.stopped
        else None,
    }


@contextmanager
def _store() -> Iterator["ExperimentStore"]:
    from pipelines.adapters.event_store import EventStore
    from pipelines.adapters.experiment_store import ExperimentStore

    with EventStore(settings_module.load().event_store_address) as store:
        store.migrate()
        yield ExperimentStore(store)
