"""`marquee backtest`: what Marquee is worth on past days; with which features, over which windows, on ratings."""

import json
import os
from collections.abc import Callable, Mapping
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from marquee import console, evaluation_pages, rolling_page
from marquee.data_commands import Folder, Json, SourceName, empty_home
from pipelines.core import settings as settings_module
from pipelines.core.errors import DataError


class WindowKind(StrEnum):
    """How the days that are learnt from move from fold to fold."""

    expanding = "expanding"
    sliding = "sliding"


FirstScored = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="Train before it, score from it on; with --rolling after three weeks."),
]
LastScored = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day scored; the data's last by default.")
]
Groups = Annotated[
    list[str] | None, typer.Option(help="With --ablation: only this group (X1 to X8, retrieval); repeatable.")
]
Folds = Annotated[int | None, typer.Option(min=2, help="Divide the days scored into so many tests; train before each.")]
Learning = Annotated[WindowKind, typer.Option(help="With --folds: learn from all days before, or as many each time.")]
Gap = Annotated[int, typer.Option(min=0, help="With --folds: days left out between learning and test.")]
RankerName = Annotated[str | None, typer.Option(help="The ranker, as retrain names it; the default one if not.")]
RankerOptions = Annotated[
    Path | None,
    typer.Option("--options", exists=True, dir_okay=False, help="The ranker's settings, from `marquee tune --to`."),
]
Rolling = Annotated[
    bool, typer.Option("--rolling", help="The true process: retrain each week, let the gate decide, serve the next.")
]
Every = Annotated[int | None, typer.Option(min=1, help="With --rolling: days from retraining to retraining; 7.")]
Picture = Annotated[Path | None, typer.Option(help="With --rolling: an SVG of the champions' history.")]
Home = Annotated[Path | None, typer.Option(help="An empty folder to keep everything in; thrown away by default.")]


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(backtest)


def backtest(
    source: SourceName,
    path: Folder,
    test_from: FirstScored = None,
    test_to: LastScored = None,
    ablation: Annotated[bool, typer.Option("--ablation", help="What each group of features is worth.")] = False,
    group: Groups = None,
    ratings: Annotated[bool, typer.Option("--ratings", help="Learn and score ratings, by RMSE.")] = False,
    folds: Folds = None,
    window: Learning = WindowKind.expanding,
    gap: Gap = 0,
    ranker: RankerName = None,
    ranker_options: RankerOptions = None,
    rolling: Rolling = False,
    every: Every = None,
    picture: Picture = None,
    seed: Annotated[int, typer.Option(min=0)] = 7,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Train on everything before a day and score the days from it on, in past time."""
    modes = {"--ablation": ablation, "--ratings": ratings, "--folds": folds, "--rolling": rolling}
    mode = _one_of([name for name, on in modes.items() if on])
    _belongs("--window and --gap say how folds are made", gap or window is not WindowKind.expanding, mode, "--folds")
    _belongs("--group says what an ablation leaves out", group, mode, "--ablation")
    _belongs("--every and --picture are of a run through the weeks", every or picture, mode, "--rolling")
    _belongs("--ranker and --options are of a plain backtest", ranker or ranker_options, mode, "")
    if test_from is None and not rolling:
        raise DataError("--test-from is missing: name the first day to score, or give --rolling")
    options: dict[str, Any] = {"number": folds, "kind": window.value, "gap_days": gap} if folds else {}
    options |= {"only": group} if group else {}
    options |= {"method": ranker} if ranker else {}
    options |= {"options": read_options(ranker_options)} if ranker_options else {}
    options |= {"every": every or 7} if rolling else {}
    run, show = _mode(mode)
    with empty_home(settings_module.load(), home, "backtest") as settings:
        figures = run(
            source.value,
            path,
            settings=settings,
            test_from=_date(test_from),
            test_to=_date(test_to),
            seed=seed,
            say=console.say,
            **options,
        )
    if picture:
        drawn(picture, rolling_page.chart(figures))
    if as_json:
        console.result(figures)
    else:
        show(f"{source} from {test_from.date()} on" if test_from else source.value, figures)


def drawn(picture: Path, svg: str) -> None:
    """Write a picture where it was asked for; its folder is made."""
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text(svg, encoding="utf-8")
    console.say(f"drawn: {picture}")


def _one_of(asked: list[str]) -> str:
    if len(asked) > 1:
        raise DataError(f"{' and '.join(asked)}: give one at a time")
    return asked[0] if asked else ""


def _belongs(what: str, given: object, mode: str, to: str) -> None:
    if given and mode != to:
        raise DataError(f"{what}: {f'give {to} too' if to else f'leave out {mode}'}")


def read_options(path: Path) -> dict[str, Any]:
    """A ranker's settings, as `marquee tune --to` writes them; DataError where the file holds something else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as exc:
        raise DataError(f"{path} is no JSON: give a file that `marquee tune --to` wrote") from exc
    if not isinstance(found, dict):
        raise DataError(f"{path} holds no settings by name: give a file that `marquee tune --to` wrote")
    return found


Run = Callable[..., dict[str, Any]]
Show = Callable[[str, Mapping[str, Any]], None]


def _mode(asked: str) -> tuple[Run, Show]:
    """What computes the figures, and what prints them."""
    if asked == "--ablation":
        from pipelines import ablation

        return ablation.run, evaluation_pages.ablation
    if asked == "--folds":
        from pipelines import cross_validation

        return cross_validation.run, evaluation_pages.folds
    if asked == "--rolling":
        return _rolling, rolling_page.show
    if asked == "--ratings":
        from pipelines import explicit

        return explicit.run, evaluation_pages.ratings
    from pipelines import backtest as backtests

    return backtests.run, evaluation_pages.figures


def _rolling(source: str, path: Path, *, every: int, test_from: date | None, **given: Any) -> dict[str, Any]:
    """The run through the weeks, with a bar that moves week by week."""
    from pipelines import rolling

    config = rolling.RollingConfig(every_days=every)
    with console.progress("weeks", 100, unit="%") as bar:
        return rolling.run(
            source,
            path,
            config=config,
            test_from=test_from,
            ahead=(os.cpu_count() or 1) > 1,
            advance=lambda done, of: bar(round(100 * done / of), f"{done} of {of}"),
            **given,
        )


def _date(moment: datetime | None) -> date | None:
    return moment.date() if moment else None
