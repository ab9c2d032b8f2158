"""`marquee compact`: old feature snapshots fold into one file a view."""

from typing import Annotated, Any

import typer

from marquee import console
from pipelines.core import settings as settings_module

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on stdout.")]


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(compact)


def compact(
    plan: Annotated[bool, typer.Option("--plan", help="Say what would be folded; write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Fold feature snapshots older than MARQUEE_KEEP_DAYS into one file a view. Refreshes do it monthly."""
    from pipelines import refreshing

    settings = settings_module.load()
    folds: list[dict[str, Any]] = [
        {"view": f.view, "first": f.days[0].isoformat(), "last": f.into.isoformat(), "files": len(f.days)}
        | {"rows": f.rows, "bytes": f.bytes}
        for f in refreshing.compaction_plan(settings)
    ]
    kept: dict[str, Any] = {} if plan else refreshing.compact(settings, least=2)
    if as_json:
        console.result({"keep_days": settings.keep_days, "folds": folds, "rows_left": None if plan else kept})
        return
    title = f"Snapshots older than {settings.keep_days} days" + (", as they would be folded" if plan else "")
    columns = ("view", "from", "to", "files", "rows", "bytes", "rows left")
    console.table(title, columns, [(*fold.values(), "" if plan else kept[fold["view"]]) for fold in folds])
