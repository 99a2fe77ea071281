"""Formats deliveries for the terminal: tables for people, rows for scripts."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from assets import money
from assets.delivery.preview import Preview
from assets.figures.quarantined import QuarantineFigures
from assets.ledger.rows import Total
from assets.ledger.states import State

_ORDER = {state: position for position, state in enumerate(State)}


def single_line(text: str) -> str:
    """Return `text` with `?` for line breaks and terminal control characters."""
    return "".join(one if one.isprintable() else "?" for one in text)


def by_state(totals: Sequence[Total]) -> list[dict[str, Any]]:
    """Return one row per destination and state; amounts are decimal strings."""
    orders: dict[tuple[str, State], int] = defaultdict(int)
    amounts: dict[tuple[str, State], dict[str, Decimal]] = defaultdict(dict)
    for one in totals:
        key = (one.destination, one.state)
        orders[key] += one.orders
        if one.currency is not None and one.currency_digits is not None:
            amount = money.from_minor(one.amount_minor, one.currency_digits)
            known = amounts[key].get(one.currency, Decimal(0))
            amounts[key][one.currency] = known + amount
    keys = sorted(orders, key=lambda key: (key[0], _ORDER[key[1]]))
    return [
        {
            "destination": name,
            "state": str(state),
            "orders": orders[name, state],
            "revenue": {
                code: str(amount)
                for code, amount in sorted(amounts[name, state].items())
            },
        }
        for name, state in keys
    ]


def print_states(console: Console, totals: Sequence[Total]) -> None:
    """Print a table of orders and revenue by destination and state."""
    table = Table("destination", "state")
    table.add_column("orders", justify="right")
    table.add_column("revenue", justify="right")
    previous = None
    for row in by_state(totals):
        name = row["destination"]
        if previous not in {None, name}:
            table.add_section()
        label = "" if name == previous else name
        previous = name
        amounts = (f"{Decimal(text):,} {code}" for code, text in row["revenue"].items())
        table.add_row(label, row["state"], f"{row['orders']:,}", "\n".join(amounts))
    console.print(table)


def print_quarantined(console: Console, found: QuarantineFigures | None) -> None:
    """Print one line about quarantined orders; nothing if there are none."""
    if found is not None:
        console.print(
            f"{found.quarantined:,} of {found.orders:,} orders "
            f"({found.quarantined / found.orders:.1%}) are quarantined, most of them "
            f"for {found.top_reason} ({found.top_orders:,}).",
            highlight=False,
        )


def print_preview(console: Console, name: str, found: Preview) -> None:
    """Print what a run would send to one destination."""
    amounts = ", ".join(
        f"{_with_minor_digits(amount, code):,} {code}"
        for code, amount in found.amounts.items()
    )
    console.print(
        f"[bold]{name}[/bold]: would send {found.conversions:,} conversions in "
        f"{found.requests:,} requests" + (f", worth {amounts}" if amounts else ""),
    )
    for (state, reason), orders in sorted(found.not_sent.items()):
        console.print(f"  {state} {reason}: {orders:,}")


def _with_minor_digits(amount: Decimal, currency: str) -> Decimal:
    digits = money.minor_digits(currency)
    return money.from_minor(money.to_minor(amount, digits), digits)
