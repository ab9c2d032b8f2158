"""The `marquee` command. Exit codes: 0 done, 1 failed, 2 the call or its input is wrong."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from marquee import (
    compact_command,
    concordance_command,
    console,
    data_commands,
    evaluation_commands,
    experiment_commands,
    feature_commands,
    gate_demo_command,
    ledger_commands,
    models_command,
    release_commands,
    skew_command,
    sources_command,
    stack_commands,
    takedown_command,
    tune_command,
)
from pipelines.core.errors import DataError, MarqueeError, RequestError, SettingsError

WRONG_INPUT = (DataError, RequestError, SettingsError)


class Group(TyperGroup):
    """Turns what Marquee raises on purpose into one line and an exit code; anything else is a bug and shows itself."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except MarqueeError as exc:
            if ctx.params.get("debug"):
                raise
            console.error(str(exc))
            raise typer.Exit(2 if isinstance(exc, WRONG_INPUT) else 1) from exc


app = typer.Typer(cls=Group, no_args_is_help=True, pretty_exceptions_show_locals=False, add_completion=False)


@app.callback()
def main(debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False) -> None:
    """Watch events in, a home page out."""


data_commands.register(app)
evaluation_commands.register(app)
experiment_commands.register(app)
feature_commands.register(app)
gate_demo_command.register(app)
ledger_commands.register(app)
models_command.register(app)
release_commands.register(app)
stack_commands.register(app)
takedown_command.register(app)
compact_command.register(app)
skew_command.register(app)
sources_command.register(app)
tune_command.register(app)
concordance_command.register(app)
