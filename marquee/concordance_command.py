"""`marquee concordance`: what the gate's gains have been worth, of this home's promotions or of a rolling backtest."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from marquee import concordance_page, console
from marquee.data_commands import Json
from marquee.evaluation_commands import drawn
from pipelines.core import settings as settings_module
from pipelines.core.errors import DataError
from pipelines.promotion.gains import EXPERIMENT, PAGE, Gain, read, worth


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(concordance)


def concordance(
    rolling: Annotated[
        Path | None, typer.Option(help="What `marquee backtest --rolling --json` printed, in place of this home.")
    ] = None,
    measure: Annotated[
        str | None, typer.Option(help="The realised gain to draw: experiment, page, engagement rate and so on.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="An SVG of predicted and realised gains.")] = None,
    pages: Annotated[
        bool, typer.Option(help="Score both releases of each promotion on the days that followed, some seconds each.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0)] = 7,
    as_json: Json = False,
) -> None:
    """Beside each gain that the gate predicted, the one that followed; and what such a gain has been worth."""
    gains, unmeasured = (_recorded(rolling), {}) if rolling else _here(pages=pages, seed=seed)
    shown = _measure(gains, measure)
    for release_id, why in unmeasured.items():
        console.say(f"{release_id}: {why}")
    if picture:
        drawn(picture, concordance_page.chart(gains, shown))
    if as_json:
        console.result(_plain(gains, unmeasured))
    else:
        concordance_page.show(gains, shown)


def _recorded(path: Path) -> list[Gain]:
    """The gains of a rolling backtest's JSON; DataError where the file is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["gains"]
        return [read(gain) for gain in found]
    except FileNotFoundError as exc:
        raise DataError(f"{path} is missing: write it with `marquee backtest ... --rolling --json > {path}`") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise DataError(f"{path} is not what `marquee backtest --rolling --json` prints: write it again") from exc


def _here(*, pages: bool, seed: int) -> tuple[list[Gain], dict[str, str]]:
    from monitoring import worth as measured
    from monitoring.experiments import readouts
    from pipelines.promotion import ledger, policy

    settings = settings_module.load()
    entries, of_members = ledger.read(settings), readouts(settings)
    found = measured.collect(settings, entries, policy.read(), readouts=of_members, pages=pages, seed=seed)
    return list(found.gains), dict(found.unmeasured)


def _measure(gains: list[Gain], asked: str | None) -> str:
    """The one asked for; else an experiment's readout where there is one, else the page's gain."""
    held = sorted({name for gain in gains for name in gain.realised})
    if asked and asked not in held and gains:
        raise DataError(f"no realised gain {asked!r}: choose from {', '.join(held) or 'none yet'}")
    return asked or (EXPERIMENT if EXPERIMENT in held else PAGE)


def _plain(gains: list[Gain], unmeasured: dict[str, str]) -> dict[str, Any]:
    measures = sorted({name for gain in gains for name in gain.realised})
    return {
        "gains": [gain.as_dict() for gain in gains],
        "worth": {
            name: {measure: worth(of, measure).as_dict() for measure in measures}
            for name, of in concordance_page.kinds(gains).items()
        },
        "unmeasured": unmeasured,
    }
