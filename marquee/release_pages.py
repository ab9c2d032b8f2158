"""What `marquee release` prints: the list, one release, and two beside each other."""

from collections.abc import Mapping, Sequence
from typing import Any

from marquee import console
from pipelines.adapters.model_registry import ListedRelease
from pipelines.promotion import difference
from pipelines.promotion.difference import Differing, figures
from pipelines.promotion.shelf import Registered

COLUMNS = ("version", "release", "verdict", "aliases", "learnt through", "tested on", "registered (UTC)")


def line(listed: ListedRelease, held: Registered | None) -> dict[str, Any]:
    """A release as one row of the list; what needs the manifest is None where that cannot be read."""
    window = held.test_window if held else None
    return {
        "version": listed.version,
        "release_id": listed.release_id,
        "verdict": listed.tags.get("verdict"),
        "aliases": list(listed.aliases),
        "watermark": listed.tags.get("watermark"),
        "test_from": window[0] if window else None,
        "test_to": window[1] if window else None,
        "registered_at": listed.at.isoformat(timespec="seconds"),
    }


def show_list(rows: Sequence[Mapping[str, Any]]) -> None:
    """The table of the list, and below it what is wrong with a release that cannot be read."""
    cells = [
        (
            str(row["version"]),
            row["release_id"],
            row["verdict"] or "-",
            ", ".join(row["aliases"]) or "-",
            row["watermark"] or "-",
            f"{row['test_from']} to {row['test_to']}" if row["test_from"] else "-",
            row["registered_at"].replace("T", " ")[:19],
        )
        for row in rows
    ]
    console.table("Registered releases", COLUMNS, cells)
    for row in rows:
        if "problem" in row:
            console.error(row["problem"])


def told(held: Registered) -> dict[str, Any]:
    """Everything that `show` prints, as JSON."""
    verdict = dict(held.verdict) or {"verdict": held.listed.tags.get("verdict"), "reasons": []}
    return line(held.listed, held) | {"manifest": held.manifest.model_dump(mode="json"), "gate": verdict}


def show(held: Registered) -> None:
    """Made of, figures with their intervals, and the gate's reasons."""
    manifest = held.manifest
    aliases = f", {' and '.join(held.listed.aliases)}" if held.listed.aliases else ""
    console.line(f"\nRelease {manifest.release_id}, version {held.listed.version}{aliases}")
    console.table("Made of", ("part", "what"), _contents(held))
    rows = [(name, *_cells(figure)) for name, figure in figures(manifest.metrics).items()]
    console.table("On days that it had not seen", ("figure", "value", "95 % interval"), rows)
    console.line(f"\nThe gate said {held.listed.tags.get('verdict', 'nothing')}")
    for reason in held.verdict.get("reasons", []):
        console.line(f"- {reason}")


def _contents(held: Registered) -> list[tuple[str, str]]:
    manifest = held.manifest
    return [
        ("generators", ", ".join(manifest.generators)),
        ("ranker", manifest.ranker),
        ("features", f"{manifest.feature_service} ({manifest.feature_fingerprint})"),
        ("data", f"{manifest.dataset}, {manifest.trained_from} to {manifest.watermark}, {manifest.time_zone}"),
        ("tested on", " to ".join(held.test_window) if held.test_window else "-"),
        ("seed", str(manifest.seed)),
        ("code", f"{manifest.git_commit[:12]}, lock {manifest.lock_hash[:12]}"),
        ("files", str(len(manifest.files))),
        *((f"settings.{name}", value) for name, value in difference.flat(manifest.settings).items()),
    ]


def show_differences(left: Registered, right: Registered, found: Sequence[Differing]) -> None:
    """What is not the same, then the figures side by side."""
    names = tuple(f"{held.listed.version} ({held.listed.release_id})" for held in (left, right))
    if not found:
        console.line(f"\n{names[0]} and {names[1]} are the same release")
        return
    console.table("Different", ("part", "what", *names), list(found))
    rows = [
        (name, *("{} ({})".format(*_cells(own)) if own else difference.NOTHING for own in pair))
        for name, pair in beside(left, right).items()
    ]
    console.table("Figures", ("figure", *names), rows)
    if left.test_window != right.test_window:
        console.line("they were tested on other days: the figures say little of which is better")


def beside(left: Registered, right: Registered) -> dict[str, tuple[Any, Any]]:
    """Figure -> (left's, right's), None where a side has none."""
    ours, theirs = figures(left.manifest.metrics), figures(right.manifest.metrics)
    return {name: (ours.get(name), theirs.get(name)) for name in dict.fromkeys([*ours, *theirs])}


def _cells(figure: Mapping[str, float]) -> tuple[str, str]:
    return f"{figure['value']:.4f}", f"{figure['low']:.4f} to {figure['high']:.4f}"


def show_move(moved: Mapping[str, Any], as_json: bool) -> None:
    """Which release is champion now, and which was."""
    if as_json:
        console.result(moved)
        return
    before = f"; {moved['before']} was before it" if moved["before"] else ""
    console.line(f"{moved['release_id']}, version {moved['version']}, is champion{before} (ledger {moved['sequence']})")
