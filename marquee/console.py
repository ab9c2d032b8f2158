"""What the commands print: progress and errors to stderr, results to stdout, one JSON object where --json asks."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn
from rich.progress import TimeElapsedColumn as Elapsed
from rich.table import Table

Advance = Callable[[int, str], None]
"""Called with how much is done so far and, to name the present step, a word."""


def notes() -> Console:
    """Where progress, remarks and errors go, made when asked for, so that a test can catch it."""
    return Console(stderr=True, soft_wrap=True, highlight=False)


def say(line: str) -> None:
    """One line of progress."""
    notes().print(line, markup=False)


def error(message: str) -> None:
    """One red line."""
    notes().print(f"error: {message}", style="bold red", markup=False)


def line(text: str) -> None:
    """One line of a result, on stdout."""
    Console(soft_wrap=True, highlight=False).print(text, markup=False)


def result(value: Mapping[str, Any]) -> None:
    """The one JSON object of a command called with --json."""
    json.dump(value, sys.stdout, indent=2, default=str)
    sys.stdout.write("\n")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on stdout; figures are right-aligned. Where nobody looks (a pipe), it is as wide as its text."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    drawn = Table()
    for number, name in enumerate(columns):
        figures = bool(rows) and all(isinstance(row[number], int | float) for row in rows)
        drawn.add_column(name, justify="right" if figures else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    console.print(f"\n{title}", style="bold", markup=False, soft_wrap=True)
    console.print(drawn)


@contextmanager
def progress(step: str, total: int, *, unit: str = "") -> Iterator[Advance]:
    """A bar on stderr; nothing moves where stderr is no terminal. ``unit="bytes"`` counts in MB."""
    counted: list[ProgressColumn] = [DownloadColumn() if unit == "bytes" else MofNCompleteColumn(), TextColumn(unit)]
    columns = [TextColumn("{task.description}"), BarColumn(), *(counted[:1] if unit == "bytes" else counted), Elapsed()]
    with Progress(*columns, console=notes(), disable=not sys.stderr.isatty()) as bars:
        task = bars.add_task(step, total=total)
        yield lambda done, now: bars.update(task, completed=done, description=f"{step} {now}".strip())
