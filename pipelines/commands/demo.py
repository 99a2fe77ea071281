"""The command `demo`."""

from typing import Annotated

import typer

from pipelines.commands.shared import console, reports_errors


@reports_errors
def demo(
    ui: Annotated[
        bool, typer.Option("--ui", help="Open the Dagster UI on the demo afterwards.")
    ] = False,
) -> None:
    """Seed a warehouse, start the sandbox, export a day, and show the results."""
    from pipelines.demo.runner import run_demo

    raise typer.Exit(run_demo(console, ui=ui))
