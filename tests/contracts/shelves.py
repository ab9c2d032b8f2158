"""A real registry and ledger with small releases in them, for tests of what moves releases."""

import json
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pipelines.adapters.model_registry import CHALLENGER, ModelRegistry
from pipelines.core import release
from pipelines.core.ledger import Draft
from pipelines.core.settings import Settings
from pipelines.promotion import ledger, moves

AT = datetime(2022, 5, 3, 6, tzinfo=UTC)
WINDOW = {"fit_from": "2022-04-01", "calibrate_from": "2022-04-26", "test_from": "2022-04-29", "test_to": "2022-05-02"}
REASON = "page.ndcg@10 is what it is"


def empty_home(home: Path, templates: Path) -> Settings:
    """A home whose MLflow has its tables already, which takes it seconds the first time."""
    settings, template = Settings(home=home), templates / "mlflow-template.db"
    database = home / "mlflow" / "mlflow.db"
    if template.exists():
        database.parent.mkdir(parents=True)
        shutil.copy(template, database)
    else:
        ModelRegistry(settings).champion()
        shutil.copy(database, template)
    return settings


def seal(folder: Path, seed: int = 1, **changes: Any) -> str:
    """A folder with one generator, a ranker and a monitoring reference; its release's id."""
    for part, text in (("generators/als/factors.npz", "same"), ("ranker/model.txt", f"model {seed}")):
        (folder / part).parent.mkdir(parents=True)
        (folder / part).write_text(text)
    features = changes.pop("features", ("user_age", "media_genre"))
    (folder / "monitoring").mkdir()
    (folder / "monitoring" / "reference.json").write_text(json.dumps(dict.fromkeys(features)))
    content: dict[str, Any] = {
        "generators": ("als",),
        "ranker": "gbdt",
        "feature_service": "ranking",
        "feature_fingerprint": "f",
        "dataset": "tiny",
        "time_zone": "UTC",
        "watermark": date(2022, 4, 28),
        "trained_from": date(2022, 4, 1),
        "seed": seed,
        "settings": {"blend": {"weights": {"als": 1.0}}, "window": WINDOW},
        "metrics": {"page": {"ndcg@10": {"value": seed / 10, "low": 0.0, "high": 1.0}}, "counts": {"rows": 3}},
        "git_commit": "c",
        "lock_hash": "l",
    }
    return release.write(folder, **content | changes).release_id


def register(settings: Settings, folder: Path, verdict: str, *, hold: bool = False) -> int:
    """Register a sealed folder as challenger, of which the gate said ``verdict`` against the champion of now."""
    registry, manifest = ModelRegistry(settings), release.verify(folder)
    version = registry.register(folder, manifest, {}, {"verdict": verdict})
    said = folder.with_name(f"{folder.name}-verdict")
    said.mkdir()
    (said / "verdict.json").write_text(json.dumps({"verdict": verdict, "reasons": [REASON]}))
    registry.attach(version, said, "evidence")
    registry.set_alias(CHALLENGER, version)
    now = moves.champion(settings)
    facts = {"verdict": verdict, "approval_required": hold, "before": now.release_id if now else None}
    write(settings, "promoter", "judged", manifest.release_id, version, facts)
    return version


def write(settings: Settings, role: Any, event: Any, release_id: str, version: int, facts: Any = None) -> None:
    """One line of the ledger."""
    about = {"event": event, "actor": role, "release_id": release_id, "version": version, "facts": facts or {}}
    ledger.append(settings, role, lambda entries: Draft(at=AT, **about))


def served(settings: Settings, release_id: str, version: int) -> None:
    """As the API writes when it takes a release."""
    write(settings, "server", "serving", release_id, version)
