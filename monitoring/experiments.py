"""The task of read_experiment: look at an experiment, and write the page that says what to do."""

import json
import logging
from dataclasses import asdict
from datetime import datetime
from typing import Any

from monitoring import experiment_page
from monitoring.job import without_nan
from pipelines.core.errors import MarqueeError
from pipelines.core.settings import Settings
from pipelines.experiments import job
from pipelines.experiments.job import Look
from pipelines.metrics.intervals import Interval

log = logging.getLogger(__name__)
FOLDER = "experiments"


def read(settings: Settings, name: str, through: str | None, *, at: datetime) -> dict[str, Any]:
    """What pipelines.experiments.job.look says, with the page it was written to.

    Writes reports/experiments/<name>/<through>.html and .json under home.
    """
    found = job.look(settings, name, through)
    folder = settings.root / "reports" / FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / f"{found.period.last}.html"
    page.write_text(experiment_page.render(found, at), encoding="utf-8")
    told: dict[str, Any] = without_nan(_told(found) | {"page": str(page)})
    page.with_suffix(".json").write_text(json.dumps(told, indent=2, default=str), encoding="utf-8")
    return told


def read_all(settings: Settings, interval: dict[str, Any], *, at: datetime) -> list[dict[str, Any]]:
    """Read each of ``interval["experiments"]`` through its last day; one that cannot be read does not stop the others.

    Raises:
        MarqueeError: what stopped the first that could not be read, once the others are.
    """
    told, stopped = [], None
    for name in interval["experiments"]:
        try:
            told.append(read(settings, name, interval["last"], at=at))
        except MarqueeError as exc:
            log.error("experiment %s was not read", name, exc_info=exc)
            stopped = stopped or exc
    if stopped:
        raise stopped
    return told


def readouts(settings: Settings) -> dict[str, Interval]:
    """Release id -> its relative lift over the control in the primary metric, as each experiment's last page has it."""
    lifts = {}
    for folder in sorted((settings.root / "reports" / FOLDER).glob("*/")):
        last = max(folder.glob("*.json"), default=None)
        told = json.loads(last.read_text(encoding="utf-8")) if last else {"effects": ()}
        for effect in told["effects"]:
            ends = [effect["interval"][end] for end in ("value", "low", "high")]
            if effect["metric"] == told["primary"] and None not in ends:
                lifts[effect["release"]] = Interval(*ends)
    return lifts


def _told(found: Look) -> dict[str, Any]:
    read, definition = found.readout, found.held.definition
    return {
        "experiment": definition.name,
        "verdict": read.verdict,
        "reasons": read.reasons,
        "through": found.period.last.isoformat(),
        "day": read.day,
        "days": read.days,
        "members": read.members,
        "fallen_back": read.fallen_back,
        "share_mismatch_p": read.mismatch,
        "verdicts": read.verdicts,
        "primary": definition.primary,
        "effects": [
            asdict(effect) | {"release": definition.variants[effect.variant].release} for effect in read.effects
        ],
    }
