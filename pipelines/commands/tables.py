"""Commands for the delivery tables: `migrate`, `resolve` and `recover`."""

from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import DAY, By, Why
from pipelines.commands.shared import console, explained, opened
from pipelines.configuration.config import ConfigError, load_config


class Verdict(StrEnum):
    """What a person found out about a delivery."""

    DELIVERED = "delivered"
    NOT_DELIVERED = "not-delivered"


@explained
def migrate() -> None:
    """Make the delivery tables, or bring them to this program's version."""
    with opened(load_config()) as database:
        database.migrate()
    console.print("The delivery tables are at this program's version.")


@explained
def resolve(
    delivery: Annotated[
        str,
        typer.Argument(
            help="Its id, from v_needs_human; or `staged`, `uncertain`, `exhausted`, "
            "`rejected`: all in that state; or `orders`: those of --orders, whatever "
            "is known of them. With --date and --to."
        ),
    ],
    verdict: Annotated[Verdict, typer.Argument(help="What you found out.")],
    *,
    by: By,
    why: Why,
    day: Annotated[
        datetime | None,
        typer.Option("--date", formats=DAY, help="With a state: the day."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=DAY, help="With a state: the last of several days."),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="With a state: the destination.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option(help="With a state: only those for this reason.")
    ] = None,
    orders: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="With a state: only the order ids in it, one a line.",
        ),
    ] = None,
    may_repeat: Annotated[
        bool,
        typer.Option(
            "--may-repeat",
            help="Send again also what was sent and may have counted: the provider "
            "may count it twice.",
        ),
    ] = False,
) -> None:
    """Settle what no run can finish: say whether it was delivered."""
    from pipelines.commands.output import on_one_line
    from pipelines.commands.resolving import Word, resolved

    word = Word(
        is_delivered=verdict is Verdict.DELIVERED, by=by, why=why, may_repeat=may_repeat
    )
    only = None if orders is None else _lines(orders)
    config = load_config()
    with opened(config) as database:
        done = resolved(
            config,
            database,
            delivery,
            word,
            first=day and day.date(),
            last=until and until.date(),
            destination=to,
            reason=reason,
            order_ids=only,
        )
    for one in done:
        said = f"{one.destination} {one.order_id}: {one.before} -> {one.after}"
        console.print(on_one_line(said), markup=False, highlight=False)
    if not done:
        console.print("All of them are known as delivered; nothing was changed.")


@explained
def recover(
    first: Annotated[datetime, typer.Option("--from", formats=DAY, help="First day.")],
    last: Annotated[datetime, typer.Option("--to", formats=DAY, help="Last day.")],
    *,
    by: By,
    why: Why,
) -> None:
    """After a restore: take back what the copy in the warehouse knows as told."""
    from collections import Counter

    from assets.resolution.recover import recover as take_back
    from pipelines.build import lent_source

    since, until = first.date().isoformat(), last.date().isoformat()
    with (
        lent_source(load_config()) as source,
        source.warehouse.write_engine() as engine,
    ):
        done = take_back(
            source.database, engine, first=since, last=until, by=by, why=why
        )
    found = Counter(
        (one.partition_key, one.destination, one.before or "missing", one.after)
        for one in done
    )
    for (day, name, before, after), count in sorted(found.items()):
        console.print(f"{day} {name}: {count} {before} -> {after}", highlight=False)
    console.print(f"{len(done)} deliveries were taken back.", highlight=False)


def _text(file: Path) -> str:
    with suppress(UnicodeDecodeError):
        text = file.read_text(encoding="utf-8-sig")
        if "\0" not in text:  # as UTF-16 without a mark has
            return text
    message = (
        f"Reading order ids failed for {file}: expected UTF-8, one id a line, got "
        "another encoding. Save it as UTF-8 (Excel: CSV UTF-8)."
    )
    raise ConfigError(message)


def _lines(file: Path) -> set[str]:
    # Not `splitlines`: an order id may hold what Unicode calls the end of a line.
    lines = _text(file).split("\n")
    return {line.strip() for line in lines if line.strip()}
