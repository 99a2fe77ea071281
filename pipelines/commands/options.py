"""Options that several commands take."""

from datetime import datetime
from typing import Annotated

import typer

DAY = ["%Y-%m-%d"]
To = Annotated[
    list[str] | None,
    typer.Option("--to", help="Only this destination; may be given several times."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Override = Annotated[
    str, typer.Option(help="Why a day is right that a guard refuses; it is kept.")
]
From = Annotated[
    datetime | None, typer.Option("--from", formats=DAY, help="First day.")
]
Until = Annotated[datetime | None, typer.Option("--to", formats=DAY, help="Last day.")]
