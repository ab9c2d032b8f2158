"""`marquee sources`: what each candidate source of a release adds to the blend, and what it costs to ask."""

from pathlib import Path
from typing import Annotated, Any

import typer

from marquee import console

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on stdout.")]
COLUMNS = ("source", "own recall", "unique recall", "share", "alone", "first place", "smoothing", "ms a member")
ASKED, HISTORY = 200, 30


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(sources)


def sources(
    release: Annotated[Path, typer.Option(help="The folder of a release.", exists=True, file_okay=False)],
    seed: Annotated[int, typer.Option(min=0, help="Draws the histories that are asked with for the time.")] = 7,
    as_json: Json = False,
) -> None:
    """Say what each source of a release finds alone, what would be lost without it, and how long it takes."""
    from pipelines.candidates import job

    told = job.load_sources(release)
    for name, took in cost(release, told["candidates"], seed).items():
        told["sources"][name]["milliseconds"] = took
    if as_json:
        console.result(told)
        return
    depth, asked = told["depth"], told["members"]
    title = f"Sources of {release.name}: recall@{depth} of {asked:,} members on the calibration days, 95 % intervals"
    console.table(title, COLUMNS, [_row(name, one) for name, one in told["sources"].items()])
    console.line(f"the blend: {_figure(told['blend'])}; unique: lost without the source; share, alone: of the blend's")
    console.line(
        f"{told['candidates']} candidates, those it proposed and those that no other did; ms: median, measured now"
    )


def cost(release: Path, k: int, seed: int) -> dict[str, float]:
    """Milliseconds a member of each source, asked for k with histories of HISTORY titles drawn from the catalogue."""
    import numpy as np

    from pipelines.candidates import job
    from pipelines.candidates.contribution import milliseconds
    from pipelines.core.contracts import History

    generators = job.load(release)
    catalogue, rng = next(iter(generators.values())).catalogue, np.random.default_rng(seed)
    drawn = [rng.choice(catalogue, min(HISTORY, len(catalogue)), replace=False).tolist() for _ in range(ASKED)]
    return milliseconds(generators, [History(tuple(own), (1.0,) * len(own)) for own in drawn], k)


def _row(name: str, one: dict[str, Any]) -> tuple[object, ...]:
    figures = [_figure(one[which]) for which in ("own", "unique", "share", "alone")]
    return (name, *figures, one["weight"], one["smoothing"], round(one["milliseconds"], 3))


def _figure(figure: dict[str, float | None]) -> str:
    """The value, and the interval where there is one."""
    value, low, high = (figure[name] for name in ("value", "low", "high"))
    if value is None:
        return "-"
    return f"{value:.4f}" if low is None or high is None else f"{value:.4f} ({low:.4f} to {high:.4f})"
