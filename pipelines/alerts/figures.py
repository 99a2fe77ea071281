"""The figures in an alert: unfinished deliveries, their revenue, why runs stopped."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy.exc import SQLAlchemyError

from assets.ledger.database import Database, LedgerError
from assets.ledger.runs import last_stop_reasons
from assets.ledger.states import UNFINISHED, State
from assets.ledger.totals import totals
from assets.money import from_minor
from pipelines.configuration.config import Config, ConfigError

_UNFINISHED = UNFINISHED | {State.UNCERTAIN}


def describe_unfinished(
    config: Config, destination: str, partitions: Sequence[str]
) -> str:
    """Return a sentence about the unfinished deliveries of some partitions.

    The alert is sent without figures if the delivery tables cannot be read.

    Args:
        config: The deployment.
        destination: Name of the destination.
        partitions: Partition keys in ascending order.
    """
    try:
        config.require("ledger_url")
        database = Database(config.ledger_url.get_secret_value())
        try:
            return _describe(database, destination, partitions)
        finally:
            database.dispose()
    except (ConfigError, LedgerError, SQLAlchemyError):
        return "The delivery tables cannot be read: no figures."


def _describe(database: Database, destination: str, partitions: Sequence[str]) -> str:
    orders: Counter[str] = Counter()
    amounts: defaultdict[str, Decimal] = defaultdict(Decimal)
    found = totals(
        database, destination=destination, first=partitions[0], last=partitions[-1]
    )
    for one in found:
        if one.partition_key in partitions and one.state in _UNFINISHED:
            orders[one.state] += one.orders
            if one.currency is not None and one.currency_digits is not None:
                amount = from_minor(one.amount_minor, one.currency_digits)
                amounts[one.currency] += amount
    figures = [f"{count} {state}" for state, count in sorted(orders.items())]
    figures += [f"{amount:,f} {code}" for code, amount in sorted(amounts.items())]
    reasons = sorted(set(last_stop_reasons(database, destination, partitions).values()))
    stopped = f" Runs stopped: {'; '.join(reasons)}." if reasons else ""
    return f"{destination}: {', '.join(figures) or 'nothing unfinished'}.{stopped}"
