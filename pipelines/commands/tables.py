"""Commands for the delivery tables: `migrate` and `recover`."""

from datetime import datetime
from typing import Annotated

import typer

from pipelines.commands.options import DAY, By, Why
from pipelines.commands.shared import console, open_database, reports_errors
from pipelines.configuration.config import load_config


@reports_errors
def migrate() -> None:
    """Create the delivery tables, or upgrade them to the version of this program."""
    with open_database(load_config()) as database:
        database.migrate()
    console.print("The delivery tables are at this program's version.")


@reports_errors
def recover(
    first: Annotated[datetime, typer.Option("--from", formats=DAY, help="First day.")],
    last: Annotated[datetime, typer.Option("--to", formats=DAY, help="Last day.")],
    *,
    by: By,
    why: Why,
) -> None:
    """After a restore, take back the deliveries that the warehouse copy has as sent."""
    from collections import Counter

    from assets.resolution.recover import recover as recover_deliveries
    from pipelines.build import managed_source

    with (
        managed_source(load_config()) as source,
        source.warehouse.write_engine() as engine,
    ):
        recovered = recover_deliveries(
            source.database,
            engine,
            first=first.date().isoformat(),
            last=last.date().isoformat(),
            by=by,
            why=why,
        )
    counts = Counter(
        (one.partition_key, one.destination, one.before or "missing", one.after)
        for one in recovered
    )
    for (day, name, before, after), count in sorted(counts.items()):
        console.print(f"{day} {name}: {count} {before} -> {after}", highlight=False)
    console.print(f"{len(recovered)} deliveries were taken back.", highlight=False)
