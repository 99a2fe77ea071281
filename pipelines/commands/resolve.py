"""The command `resolve`."""

from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import DAY, By, Why
from pipelines.commands.shared import console, open_database, reports_errors
from pipelines.configuration.config import ConfigError, load_config


class Verdict(StrEnum):
    """What a person found out about a delivery."""

    DELIVERED = "delivered"
    NOT_DELIVERED = "not-delivered"


Target = Annotated[
    str,
    typer.Argument(
        help="The id of a delivery, from v_needs_human. Or a state: `staged`, "
        "`uncertain`, `exhausted` or `rejected`. Or `orders`: the orders in --orders, "
        "in any state. A state and `orders` need --date and --to."
    ),
]
Date = Annotated[
    datetime | None,
    typer.Option("--date", formats=DAY, help="With a state: the day."),
]
LastDate = Annotated[
    datetime | None,
    typer.Option(formats=DAY, help="With a state: the last of several days."),
]
DestinationName = Annotated[
    str | None, typer.Option("--to", help="With a state: the destination.")
]
ReasonCode = Annotated[
    str | None,
    typer.Option(help="With a state: only deliveries with this reason code."),
]
OrdersFile = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="With a state: only the orders in this file, one order id a line.",
    ),
]
MayRepeat = Annotated[
    bool,
    typer.Option(
        "--may-repeat",
        help="Also send orders again that were sent and may have counted. The provider "
        "may count them twice.",
    ),
]


@reports_errors
def resolve(
    delivery: Target,
    verdict: Annotated[Verdict, typer.Argument(help="What you found out.")],
    *,
    by: By,
    why: Why,
    day: Date = None,
    until: LastDate = None,
    to: DestinationName = None,
    reason: ReasonCode = None,
    orders: OrdersFile = None,
    may_repeat: MayRepeat = False,
) -> None:
    """Record whether deliveries that no run can finish were delivered."""
    from pipelines.commands.resolution import Decision, Selector, resolve_deliveries
    from pipelines.output import single_line

    selector = Selector(
        target=delivery,
        first=day and day.date(),
        last=until and until.date(),
        destination=to,
        reason=reason,
        order_ids=None if orders is None else _order_ids(orders),
    )
    decision = Decision(
        is_delivered=verdict is Verdict.DELIVERED, by=by, why=why, may_repeat=may_repeat
    )
    config = load_config()
    with open_database(config) as database:
        resolved = resolve_deliveries(config, database, selector, decision)
    for one in resolved:
        line = f"{one.destination} {one.order_id}: {one.before} -> {one.after}"
        console.print(single_line(line), markup=False, highlight=False)
    if not resolved:
        console.print("All of them are delivered already; nothing was changed.")


def _order_ids(file: Path) -> set[str]:
    # `splitlines` would also split at the Unicode line separators, which an order id
    # may contain.
    lines = _text(file).split("\n")
    return {line.strip() for line in lines if line.strip()}


def _text(file: Path) -> str:
    with suppress(UnicodeDecodeError):
        text = file.read_text(encoding="utf-8-sig")
        if "\0" not in text:  # UTF-16 without a byte order mark contains it
            return text
    message = (
        f"Reading order ids failed for {file}: expected UTF-8, one id a line, got "
        "another encoding. Save it as UTF-8 (Excel: CSV UTF-8)."
    )
    raise ConfigError(message)
