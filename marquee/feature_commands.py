"""`marquee features`: compute them, plan that, rehearse it, describe them, and see whether the data fill them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from marquee import console, coverage_report, data_commands, feature_pages
from marquee.data_commands import Day, Json
from pipelines.core import settings as settings_module
from pipelines.core.errors import DataError
from pipelines.core.settings import Settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "features.md"
WORLD = {"seed": 20260105, "members": 800, "days": 42}
"""What coverage is measured on where the lake holds nothing: six weeks, so that weekly windows fill."""


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(features)


def features(
    first: Day = None,
    last: Day = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what would be read and overwritten; compute nothing.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compute on a copy of the lake; publish nothing.")] = False,
    docs: Annotated[bool, typer.Option("--docs", help="Write docs/features.md from the catalogue.")] = False,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Say how full each feature is, and what it tells; 1 where one is not.")
    ] = False,
    world: Annotated[bool, typer.Option("--world", help="With --coverage: on a synthetic world of its own.")] = False,
    as_json: Json = False,
) -> None:
    """Compute the daily feature tables of the imported data, from --first to --last; or describe and measure them."""
    asked = [name for name, on in (("--plan", plan), ("--dry-run", dry_run), ("--docs", docs)) if on]
    asked += ["--coverage"] if coverage else []
    if len(asked) > 1 or (world and not coverage):
        raise DataError(f"{' and '.join(asked) or '--world'}: give one at a time, and --world with --coverage only")
    settings = settings_module.load()
    if docs:
        write_page(as_json=as_json)
    elif coverage:
        raise typer.Exit(_coverage(settings, world=world, as_json=as_json))
    else:
        _compute(settings, _date(first), _date(last), plan=plan, dry_run=dry_run, as_json=as_json)


def write_page(*, as_json: bool) -> None:
    """Write docs/features.md from the catalogue."""
    from pipelines.features.catalogue_page import page

    PAGE.write_text(page(), encoding="utf-8")
    if as_json:
        console.result({"written": str(PAGE)})
    else:
        console.line(f"written: {PAGE}")


def _compute(
    settings: Settings, first: date | None, last: date | None, *, plan: bool, dry_run: bool, as_json: bool
) -> None:
    from pipelines import refreshing
    from pipelines.core.lake import Lake
    from pipelines.features import job

    published = Lake(settings.lake_path).days("watches")
    if not published:
        raise DataError(f"the lake {settings.lake_path} has no watches: run `marquee import` first")
    begin, end = first or published[0], last or published[-1]
    if plan:
        feature_pages.plan(begin, end, refreshing.figures(settings, begin, end), as_json=as_json)
        return
    console.say(f"features from {begin} to {end}")
    if dry_run:
        feature_pages.rehearsal(begin, end, refreshing.dry_run(settings, begin, end), as_json=as_json)
        return
    job.refresh(settings, begin, end)
    done = {"first": begin.isoformat(), "last": end.isoformat(), "lake": str(settings.lake_path)}
    if as_json:
        console.result(done)
    else:
        console.table("Features", ("first", "last", "lake"), [tuple(done.values())])


def _coverage(settings: Settings, *, world: bool, as_json: bool) -> int:
    """The exit status: 0 where every requirement has its features and each of them is filled and varies."""
    from pipelines import coverage

    with _filled(settings, world=world) as measured:
        console.say("joining labelled impressions with every feature")
        found = coverage.measure(measured)
    coverage_report.show(found, as_json=as_json)
    return 1 if found.problems else 0


@contextmanager
def _filled(settings: Settings, *, world: bool) -> Iterator[Settings]:
    """The settings themselves, or those of a home with a refreshed world in it, thrown away afterwards."""
    from pipelines.core.lake import Lake
    from pipelines.features import job

    lake = Lake(settings.lake_path)
    if not world and lake.exists("media"):
        yield settings
        return
    with data_commands.empty_home(settings, None, "coverage") as home:
        console.say("making a world of {members} members and {days} days".format(**WORLD))
        folder = home.root / "world"
        data_commands.make_world(folder, **WORLD, difficulty="normal")
        data_commands.import_folder(home, "tables", folder)
        held = Lake(home.lake_path).days("watches")
        console.say(f"features from {held[0]} to {held[-1]}")
        job.refresh(home, held[0], held[-1])
        yield home


def _date(moment: datetime | None) -> date | None:
    return moment.date() if moment else None
