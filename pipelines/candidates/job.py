"""The stage's tasks: read, fit, learn how the generators blend, save."""

import json
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipelines.candidates import FITTED
from pipelines.candidates.blend import BlendConfig, blend
from pipelines.candidates.contribution import report
from pipelines.candidates.interactions import HISTORY_LENGTH, asked_on, engaged_watches, histories, interactions
from pipelines.candidates.known import from_lake
from pipelines.candidates.proposed import Proposed
from pipelines.candidates.scores import CheckpointConfig, Checkpoints, checkpoint_days
from pipelines.candidates.weights import learn
from pipelines.core import days
from pipelines.core.contracts import FittedGenerator, Floats, History
from pipelines.core.errors import ReleaseError
from pipelines.core.lake import Lake
from pipelines.core.settings import Settings
from pipelines.core.window import Window

FOLDER, BLEND, SOURCES = "generators", "blend.json", "sources.json"
DAILY = CheckpointConfig()
MOST_MEMBERS = 2000
"""Members whose later watches decide the blend: enough to tell weights apart, a few seconds to ask and learn from."""
TOGETHER = 4096
"""Rows whose titles are looked for in their members' blends at a time."""


def checkpoints(
    settings: Settings, window: Window, *, folder: Path, seed: int, config: CheckpointConfig = DAILY
) -> Checkpoints:
    """The fits that score the window's rows; ``folder`` keeps them, and ``fit`` takes its own two from there."""
    lake = Lake(settings.lake_path)
    chosen = checkpoint_days(window.fit_from, window.calibrate_from, window.known_from, config)
    return Checkpoints(lake, chosen, folder, seed, lake.dataset.time_zone)


def fit(settings: Settings, window: Window, *, into: Path, seed: int, folder: Path | None = None) -> dict[str, float]:
    """Fit every registered generator on what was known after the last day that is fitted, and save it below ``into``.

    The weights of the blend, which are returned and saved beside them, come from the calibration days, with the report
    of what each source adds: there the generators are fitted once more, on what was known before those days.
    ``folder`` holds the checkpoints that a training set left: both fits are among them.

    Raises:
        DataError: when nothing was known by then that could be fitted on.
    """
    lake = Lake(settings.lake_path)
    with tempfile.TemporaryDirectory() as spare:
        held = checkpoints(settings, window, folder=folder or Path(spare), seed=seed)
        interactions(lake, days.start(window.known_from, held.zone))
        since, until = (days.start(day, held.zone) for day in (window.calibrate_from, window.known_from))
        proposed = proposals(lake, held.generators(window.calibrate_from), since, until, seed=seed)
        for name, generator in held.generators(window.known_from).items():
            kept = into / FOLDER / name
            kept.mkdir(parents=True, exist_ok=True)
            generator.save(kept)
    config = learn(proposed, BlendConfig())
    (into / FOLDER / BLEND).write_text(config.model_dump_json(), encoding="utf-8")
    told = json.dumps(report(proposed, config, seed), indent=2)
    (into / FOLDER / SOURCES).write_text(told, encoding="utf-8")
    return dict(config.weights)


def proposals(
    lake: Lake,
    generators: Mapping[str, FittedGenerator],
    since: datetime,
    until: datetime,
    *,
    seed: int,
    most: int = MOST_MEMBERS,
) -> Proposed:
    """What generators fitted as of ``since`` propose to members with a history who engaged with something new before
    ``until``; where there are more than ``most``, to a seeded draw of them.

    Each is asked about as on the device of the first of those watches.
    """
    before = histories(lake, since)
    rows = engaged_watches(lake, until).to_pandas()
    new_rows = rows[rows["at"] >= since].groupby("user_id")
    later, device = new_rows["media_id"].agg(list), new_rows["device"].first()
    members = sorted(str(user) for user in later.index if user in before and before[user].media)
    if len(members) > most:
        members = sorted(np.random.default_rng(seed).choice(members, most, replace=False).tolist())
    code = {media: place for place, media in enumerate(next(iter(generators.values())).catalogue.tolist())}
    new = {user: [code[m] for m in later[user] if m in code and m not in before[user].media] for user in members}
    asked = [user for user in members if new[user]]
    told = [asked_on(before[user], device=device[user]) for user in asked]
    return Proposed.of(generators, told, [new[user] for user in asked], BlendConfig().candidates)


def retrieved(
    settings: Settings, window: Window, rows: pd.DataFrame, *, release: Path, folder: Path, seed: int
) -> Floats:
    """(n,) the blend's score of each row's title for its member, 0 where it is no candidate, by generators that were
    fitted before the calibration days and as the ``release`` blends. rows: user_id, media_id, event_timestamp, device.
    """
    held = checkpoints(settings, window, folder=folder, seed=seed)
    generators = held.generators(window.calibrate_from)
    found = np.zeros(len(rows), dtype=np.float32)
    if not generators:
        return found
    known, config = from_lake(held.lake, rows), load_blend(release)
    catalogue = next(iter(generators.values())).catalogue
    code = {media: place for place, media in enumerate(catalogue.tolist())}
    codes = np.array([code.get(media, len(catalogue)) for media in rows["media_id"].astype(str)])
    order = np.argsort(known.place, kind="stable")
    for mine in np.array_split(order, -(-len(order) // TOGETHER)):
        asked, line = np.unique(known.place[mine], return_inverse=True)
        blended = blend(generators, [known.histories[one] for one in asked.tolist()], config, len(catalogue))
        hit = blended.codes[line] == codes[mine][:, None]
        found[mine] = (blended.scores[line] * hit).sum(axis=1)
    return found


def load(release: Path) -> dict[str, FittedGenerator]:
    """The generators of a release, by name; ReleaseError names one that this version does not know."""
    found = {}
    for folder in sorted(path for path in (release / FOLDER).iterdir() if path.is_dir()):
        if folder.name not in FITTED:
            raise ReleaseError(f"{release} holds generator {folder.name!r}, which is not one of {', '.join(FITTED)}")
        found[folder.name] = FITTED[folder.name].load(folder)
    return _awake(found)


def _awake(generators: dict[str, FittedGenerator]) -> dict[str, FittedGenerator]:
    """Each asked once: what it prepares at its first question (a table of codes, an index) no member waits for."""
    for generator in generators.values():
        some = tuple(generator.catalogue[:HISTORY_LENGTH].tolist())
        generator.candidates([History(some, (1.0,) * len(some))], 1)
    return generators


def load_blend(release: Path) -> BlendConfig:
    """The blend that was learned for a release."""
    return BlendConfig(**json.loads((release / FOLDER / BLEND).read_text(encoding="utf-8")))


def load_sources(release: Path) -> dict[str, Any]:
    """What each source of a release added to its blend; ReleaseError for a release made before that was told."""
    told = release / FOLDER / SOURCES
    if not told.exists():
        raise ReleaseError(f"{release} holds no {FOLDER}/{SOURCES}: retrain to have its sources measured")
    return dict(json.loads(told.read_text(encoding="utf-8")))
