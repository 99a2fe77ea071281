"""Metadata of deliveries for the UI: counts, money by state, lists of orders."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

import dagster as dg

from assets import money
from assets.figures.reasons import Reason, top_reasons
from assets.ledger.database import Database
from assets.ledger.rows import Total
from assets.ledger.states import DELIVERED, State

MAX_LISTED = 20
"""Orders that a list names. The delivery tables have them all."""


def order_list(order_ids: Sequence[str], count: int) -> str:
    """Return the first order ids, and how many more there are.

    Args:
        order_ids: At least the first ones.
        count: How many orders there are in total.
    """
    shown = order_ids[:MAX_LISTED]
    more = count - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def totals_metadata(
    totals: Sequence[Total],
) -> dict[str, int | float | dg.MarkdownMetadataValue]:
    """Return numbers that the UI plots over partitions, and a table.

    Args:
        totals: Deliveries of one destination and partition.
    """
    counts: dict[str, int] = {f"orders/{state}": 0 for state in State}
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    for one in totals:
        counts[f"orders/{one.state}"] += one.orders
        if one.currency is not None and one.currency_digits is not None:
            amount = money.from_minor(one.amount_minor, one.currency_digits)
            amounts[f"money/{one.state}/{one.currency}"] += amount
    plotted = {name: float(amount) for name, amount in amounts.items()}
    return {
        "orders": sum(one.orders for one in totals),
        "delivered": sum(one.orders for one in totals if one.state in DELIVERED),
        **counts,
        **plotted,
        "by state": dg.MetadataValue.md(_table(totals)),
    }


def explanation_metadata(
    database: Database, destination: str, partition_key: str
) -> dict[str, dg.MarkdownMetadataValue]:
    """Return why orders of a day are not delivered, and SQL queries for more."""
    reasons = top_reasons(database, destination, partition_key)
    return {
        "top reasons": dg.MetadataValue.md(_reasons(reasons)),
        "ask in SQL": dg.MetadataValue.md(_SQL.format(destination, partition_key)),
    }


_SQL = """```sql
select * from v_delivery_daily where destination = '{0}' and order_date = '{1}';
select * from v_reconcile where destination = '{0}' and partition_key = '{1}';
select * from v_top_reasons where destination = '{0}' order by orders desc;
select * from v_needs_human where destination = '{0}' and partition_key = '{1}';
```
"""


def _reasons(reasons: Sequence[Reason]) -> str:
    if not reasons:
        return "Every order is delivered."
    rows = [
        f"| {one.state} | `{one.reason}` | {one.currency or '?'} | {one.orders} "
        f"| {_amount_text(one.amount_minor, one.currency_digits)} |"
        for one in reasons
    ]
    head = ["| state | reason | currency | orders | revenue |", "|---|---|---|--:|--:|"]
    return "\n".join(head + rows)


def _table(totals: Sequence[Total]) -> str:
    rows = [
        f"| {one.state} | {one.currency or '?'} | {one.orders} "
        f"| {_amount_text(one.amount_minor, one.currency_digits)} |"
        for one in totals
    ]
    head = ["| state | currency | orders | revenue |", "|---|---|--:|--:|"]
    return "\n".join(head + rows)


def _amount_text(minor: int, digits: int | None) -> str:
    return "" if digits is None else f"{money.from_minor(minor, digits):,f}"
