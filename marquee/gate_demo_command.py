"""`marquee demo-gate`: the gate, an approval and a rollback, shown on releases that are really trained."""

import signal
import sys
from typing import Annotated

import typer

from pipelines.core import settings
from pipelines.core.errors import StackError


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("demo-gate")(demo_gate)


def demo_gate(minutes: Annotated[float, typer.Option(help="Give up after so long.")] = 15.0) -> None:
    """Three challengers are judged, a person approves the undecided one, a rollback is timed, the ledger printed."""
    from marquee.gate_demo import run

    # A plain kill unwinds like Ctrl-C does, so that the servers are stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if not run(settings.load(), minutes * 60):
        raise StackError("something came out otherwise than asked: the tables above say what")
