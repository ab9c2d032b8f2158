"""What the demo prints when the loop has gone round."""

import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from marquee import console, rest
from marquee.airflow_api import Run
from marquee.local import Stack
from pipelines.core import days, release
from pipelines.core.errors import ReleaseError, StackError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.promotion import ledger

MEMBERS = 3
TITLES = 5


def show_import(report: dict[str, Any]) -> None:
    """A line a table."""
    rows = [
        (name, t["rows_in"], t["published"], t["duplicates"], t["quarantined"]) for name, t in report["tables"].items()
    ]
    console.table("Imported", ("table", "rows in", "published", "duplicates", "quarantined"), rows)


def show_runs(runs: Sequence[Run]) -> None:
    """Each DAG run with its state."""
    rows = [(run.dag_id, run.run_id, run.state, f"{run.seconds or 0:.0f} s") for run in runs]
    console.table("DAG runs", ("DAG", "run", "state", "took"), rows)


def show(settings: Settings) -> None:
    """The champion and its figures, three members' pages, and where the drift report lies.

    Raises:
        ReleaseError: no release became champion. StackError: no report was written, or the API does not answer.
    """
    _show_champion(settings)
    _show_pages(settings)
    _show_report(settings.root / "reports")


def why_no_champion(settings: Settings) -> str | None:
    """What the gate said where it promoted nothing; None where something was promoted."""
    decisions = [entry for entry in ledger.read(settings) if entry.event == "judged"]
    if not decisions:
        return "nothing was judged: look at the retrain run in Airflow"
    facts = decisions[-1].facts
    if any(entry.facts["verdict"] == "promote" for entry in decisions):
        return None
    return f"the gate promoted nothing, so there is no page to show: {facts['verdict']}: {'; '.join(facts['reasons'])}"


def _show_report(folder: Path) -> None:
    written = sorted(folder.glob("*/summary.html"))
    if not written:
        raise StackError(f"monitor_behaviour left no report under {folder}: read its log in Airflow")
    console.line(f"\nDrift report: {written[-1]}")
    console.line(f"Evidently's:  {written[-1].with_name('drift.html')}")


def show_addresses(stack: Stack) -> None:
    """Where the servers were, and how to have them again."""
    rows = [(server.name, server.url) for server in stack.status()]
    console.table(f"Have it served again: make up MARQUEE_HOME={_short(stack.home)}", ("server", "address"), rows)


def _show_champion(settings: Settings) -> None:
    from pipelines.adapters.model_registry import ModelRegistry

    registry = ModelRegistry(settings)
    champion = registry.champion()
    if champion is None:
        raise ReleaseError("no release was promoted to champion: the log of retrain.promote says why")
    with tempfile.TemporaryDirectory() as folder:
        manifest = release.verify(registry.download(champion.version, Path(folder)))
    console.line(f"\nRelease {manifest.release_id}, version {champion.version} in MLflow, alias champion")
    console.table("Champion on days it has not seen", ("figure", "value", "95 % interval"), figures(manifest.metrics))


def figures(metrics: dict[str, Any], name: str = "") -> list[tuple[str, str, str]]:
    """Every {"value", "low", "high"} in the nested metrics, as (name, value, interval)."""
    if set(metrics) == {"value", "low", "high"}:
        return [(name, f"{metrics['value']:.4f}", f"{metrics['low']:.4f} to {metrics['high']:.4f}")]
    nested = {key: part for key, part in metrics.items() if isinstance(part, dict)}
    return [line for key, part in nested.items() for line in figures(part, f"{name}.{key}".lstrip("."))]


def _show_pages(settings: Settings) -> None:
    lake = Lake(settings.lake_path)
    refreshed = lake.watermark("features")
    if refreshed is None:
        raise StackError("the features have no watermark: see the log of refresh_features in Airflow")
    at = days.start(refreshed.through + timedelta(days=1), lake.dataset.time_zone).isoformat()
    headers = {"X-API-Key": settings.api_key_path.read_text(encoding="utf-8").strip()}
    members = rest.get(f"{settings.api_url}/v1/members?limit={MEMBERS}", headers=headers)["members"]
    for member in members:
        asked = {"user_id": member, "k": TITLES, "at": at}
        page = rest.post(f"{settings.api_url}/v1/page", asked, headers=headers)
        rows = [(i["position"] + 1, i["title"], ", ".join(i["genres"]), i["reason"]) for i in page["items"]]
        title = f"The page of {member}, release {page['release_id']}"
        console.table(title, ("", "title", "genres", "reason"), rows)


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
