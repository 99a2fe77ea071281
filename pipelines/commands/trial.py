"""Commands to try the product without a provider: `sandbox` and `demo`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from pipelines.commands.shared import console, reports_errors
from pipelines.configuration.config import ConfigError


@reports_errors
def sandbox(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0: a free one.")
    ] = 8787,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help=escape(
                "Misbehave: provider[/account]:kind[=value][@rate][~order][#first-n], "
                "for example trackdesk/bumpy:status=503@0.2."
            )
        ),
    ] = None,
    journal: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="JSON Lines file of every request."),
    ] = None,
) -> None:
    """Stand in for the four providers; print what is received."""
    from pipelines.sandbox.server import SandboxServer, serve

    try:
        server = SandboxServer(port, journal, fault or [], on_entry=_print_entry)
    except ValueError as wrong:
        raise ConfigError(str(wrong)) from None
    try:
        serve(server, lambda url: console.print(f"Sandbox at {url}; Ctrl-C ends it."))
    except KeyboardInterrupt:
        console.print("Sandbox ended.")


@reports_errors
def demo(
    ui: Annotated[
        bool, typer.Option("--ui", help="Open the Dagster UI on the demo afterwards.")
    ] = False,
) -> None:
    """Seed a warehouse, start the sandbox, export a day, show where to look."""
    from pipelines.demo.tour import tour

    raise typer.Exit(tour(console, ui=ui))


def _print_entry(entry: Any) -> None:
    from pipelines.sandbox.console_output import format_entry

    console.print(format_entry(entry), markup=False, highlight=False)
