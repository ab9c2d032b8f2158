"""What `marquee demo-gate` prints: verdicts, the question that a person got, the rollback, the ledger."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from marquee import console
from marquee.airflow_api import Question
from marquee.page_watch import PageWatch
from marquee.servers import REPOSITORY
from pipelines.core.settings import Settings
from pipelines.promotion.job import PromotionResult

REASONS = 4
WIDEST = 220


def show_verdicts(rows: Sequence[tuple[str, str, str, PromotionResult]]) -> None:
    """Each challenger, how it was made, what the gate should say and said; then why."""
    cells = [
        (name, made, result.release_id, asked, result.verdict.verdict, "yes" if result.champion else "no")
        for name, made, asked, result in rows
    ]
    columns = ("challenger", "made by", "release", "asked", "the gate said", "champion at once")
    console.table("A first release and three challengers", columns, cells)
    for name, _, _, result in rows:
        console.line(f"\n{name}:")
        for reason in result.verdict.reasons[:REASONS]:
            console.line(f"  - {reason if len(reason) <= WIDEST else reason[:WIDEST] + ' ...'}")
        if len(result.verdict.reasons) > REASONS:
            console.line(f"  and {len(result.verdict.reasons) - REASONS} more: `marquee release show {result.version}`")


def show_question(question: Question) -> None:
    """What a person reads before answering."""
    console.line(f"\n{question.run.dag_id} asks: {question.subject} ({' or '.join(question.options)})")
    for line in question.body.splitlines():
        console.line(f"  {line}" if line else "")


def show_rollback(watch: PageWatch, left: str, to: str, began: float, most_seconds: float) -> bool:
    """How long pages went on being of the release that was left, and whether one was lost or mixed; all as asked?"""
    failed = [page for page in watch.answers if page.problem]
    took = max((page.at for page in watch.answers if page.release_id == left), default=began) - began
    releases = {page.release_id for page in watch.answers if page.release_id}
    mixed = watch.mixed()
    rows = [
        (
            "seconds from the click to the last page of the release that was left",
            f"{took:.1f}",
            f"< {most_seconds:.0f}",
        ),
        ("pages asked for meanwhile", f"{len(watch.answers):,}", ""),
        ("pages that failed or were short", str(len(failed)), "0"),
        ("pages logged under another release than they name", str(len(mixed)), "0"),
    ]
    console.table(f"Rollback from {left} to {to}", ("", "measured", "asked"), rows)
    for page in failed[:3]:
        console.error(f"{page.request_id}: {page.problem}")
    return took < most_seconds and not failed and not mixed and releases == {left, to}


def show_ledger(home: Settings) -> None:
    """The ledger as `marquee ledger` prints it, and whether it is as it was written."""
    for words in (("ledger",), ("ledger", "verify")):
        console.line(f"\n$ marquee {' '.join(words)}")
        sys.stdout.flush()
        command = [str(Path(sys.executable).with_name("marquee")), *words]
        environment = os.environ | {"MARQUEE_HOME": str(home.root), "PYTHONPATH": str(REPOSITORY)}
        subprocess.run(command, env=environment, cwd=Path.cwd(), check=True)
