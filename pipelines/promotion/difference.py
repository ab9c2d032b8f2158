"""What two releases differ in, part by part: what they learnt from, with what, how they are set, what they scored."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from pipelines.core.release import Manifest
from pipelines.promotion.shelf import Registered

NOTHING = "-"
OF_TRAINING = ("dataset", "trained_from", "watermark", "time_zone", "seed")
OF_CODE = ("git_commit", "lock_hash")


class Differing(NamedTuple):
    """One thing that is not the same in both, as text; ``-`` where one side has none."""

    part: str
    thing: str
    left: str
    right: str


def differences(left: Registered, right: Registered) -> list[Differing]:
    """Everything but figures that differs: generators, ranker, features, data, settings, code, and whose files."""
    a, b = left.manifest, right.manifest
    found = [
        *_members("generators", a.generators, b.generators),
        *_values("ranker", {"method": a.ranker}, {"method": b.ranker}),
        *_values("features", _features(a), _features(b)),
        *_members("features", left.features, right.features),
        *_values("data", _picked(a, OF_TRAINING), _picked(b, OF_TRAINING)),
        *_values("settings", flat(a.settings), flat(b.settings)),
        *_values("code", _picked(a, OF_CODE), _picked(b, OF_CODE)),
    ]
    return [*found, *_files(a.files, b.files)]


def figures(metrics: Mapping[str, Any], name: str = "") -> dict[str, Mapping[str, float]]:
    """Every {"value", "low", "high"} in the nested metrics, by dotted name."""
    if set(metrics) == {"value", "low", "high"}:
        return {name: metrics}
    nested = {key: part for key, part in metrics.items() if isinstance(part, Mapping)}
    return {
        held: figure
        for key, part in nested.items()
        for held, figure in figures(part, f"{name}.{key}".lstrip(".")).items()
    }


def flat(settings: Mapping[str, Any], name: str = "") -> dict[str, str]:
    """Nested settings as dotted name -> text."""
    found: dict[str, str] = {}
    for key, value in settings.items():
        place = f"{name}.{key}".lstrip(".")
        found |= flat(value, place) if isinstance(value, Mapping) else {place: str(value)}
    return found


def _features(manifest: Manifest) -> dict[str, str]:
    return {"service": manifest.feature_service, "fingerprint": manifest.feature_fingerprint}


def _picked(manifest: Manifest, names: Iterable[str]) -> dict[str, str]:
    return {name: str(getattr(manifest, name)) for name in names}


def _values(part: str, left: Mapping[str, str], right: Mapping[str, str]) -> list[Differing]:
    return [
        Differing(part, name, left.get(name, NOTHING), right.get(name, NOTHING))
        for name in dict.fromkeys([*left, *right])
        if left.get(name) != right.get(name)
    ]


def _members(part: str, left: Iterable[str], right: Iterable[str]) -> list[Differing]:
    """Names that only one side has."""
    ours, theirs = set(left), set(right)
    return [
        Differing(part, name, "has it" if name in ours else NOTHING, "has it" if name in theirs else NOTHING)
        for name in sorted(ours ^ theirs)
    ]


def _files(left: Mapping[str, str], right: Mapping[str, str]) -> list[Differing]:
    """How many files of each part have other content: a generator, the ranker, the monitoring reference."""
    of_left, of_right = Counter(map(_owner, left)), Counter(map(_owner, right))
    changed = Counter(_owner(name) for name in {*left, *right} if left.get(name) != right.get(name))
    return [
        Differing("content", owner, _counted(of_left[owner]), _counted(of_right[owner])) for owner in sorted(changed)
    ]


def _counted(files: int) -> str:
    return f"{files} file{'s' if files > 1 else ''}" if files else NOTHING


def _owner(path: str) -> str:
    """``generators/als/factors.npz`` belongs to generators/als, ``ranker/model.txt`` to ranker."""
    return str(PurePosixPath(path).parent) if "/" in path else path
