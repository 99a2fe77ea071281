"""Command line options that several commands share."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import typer
from click.core import ParameterSource

DAY = ["%Y-%m-%d"]
"""The format of a day."""


def not_blank(what: str) -> Callable[[typer.Context, typer.CallbackParam, str], str]:
    """Return a callback that rejects a blank value.

    Args:
        what: What the value is, for the error message.
    """

    def read(context: typer.Context, parameter: typer.CallbackParam, value: str) -> str:
        source = context.get_parameter_source(parameter.name or "")
        if source is not ParameterSource.DEFAULT and not value.strip():
            message = f"expected {what}, got nothing but blanks."
            raise typer.BadParameter(message)
        return value.strip()

    return read


DestinationNames = Annotated[
    list[str] | None,
    typer.Option("--to", help="Only this destination; may be given several times."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Override = Annotated[
    str,
    typer.Option(
        help="Accept a day that a guard refuses; the reason is stored.",
        callback=not_blank("a reason"),
    ),
]
By = Annotated[
    str,
    typer.Option(
        help="Your name, stored with the decision.", callback=not_blank("a name")
    ),
]
Why = Annotated[
    str,
    typer.Option(
        help="The reason for the decision, stored with it.",
        callback=not_blank("a reason"),
    ),
]
FirstDay = Annotated[
    datetime | None, typer.Option("--from", formats=DAY, help="First day.")
]
LastDay = Annotated[
    datetime | None, typer.Option("--to", formats=DAY, help="Last day.")
]
