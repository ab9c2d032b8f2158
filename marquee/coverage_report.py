"""What `marquee features --coverage` prints: a table a requirement, then what is wrong, in words."""

from collections.abc import Iterable

from marquee import console
from pipelines.coverage import Coverage, Measured
from pipelines.features.requirements import REQUIREMENTS

COLUMNS = ("feature", "made from", "rows that have it", "information", "shuffled", "verdict")


def show(found: Coverage, *, as_json: bool) -> None:
    """One JSON object, or the tables; the reasons that make it red go to stderr."""
    if as_json:
        console.result(found.as_dict())
        return
    for name, asked in REQUIREMENTS.items():
        console.table(f"{name} {asked}", COLUMNS, _rows(found.of(name)))
    if other := found.of(""):
        console.table("Beyond what was asked by name", COLUMNS, _rows(other))
    console.line(
        f"\n{len(found.measured)} features of {found.dataset} on {found.rows:,} labelled impressions of {found.first} "
        f"to {found.last}, {found.positives:,} of them watched. Information is mutual information with the label in "
        "nats, beside that of the label shuffled (the mean of five times), which is what chance alone would show."
    )
    for problem in found.problems:
        console.error(problem)
    if not found.problems:
        console.line("every requirement has its features; none is missing, absent or constant")


def _rows(measured: Iterable[Measured]) -> list[tuple[str, ...]]:
    return [
        (m.feature.name, _columns(m.feature.source), f"{m.present:.1%}", *_information(m), m.verdict) for m in measured
    ]


def _information(measured: Measured) -> tuple[str, str]:
    told = measured.information
    return ("", "") if told is None else (f"{told.nats:.5f}", f"{told.shuffled:.5f}")


def _columns(source: str) -> str:
    """Canonical columns by table, each table named once, so that a feature has one line."""
    tables: dict[str, list[str]] = {}
    for column in source.split(", "):
        table, _, name = column.partition(".")
        tables.setdefault(table, []).append(name)
    return "; ".join(f"{table} {', '.join(names)}" for table, names in tables.items())
