"""Joins what alerts need: figures of the delivery tables, channels, the sensor."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from decimal import Decimal

import dagster as dg
from sqlalchemy.exc import SQLAlchemyError

from assets.dagster_internals import AssetGraph
from assets.ledger.database import Database, LedgerError
from assets.ledger.runs import last_stop_reasons
from assets.ledger.states import UNFINISHED, State
from assets.ledger.totals import totals
from assets.money import from_minor
from pipelines.alerts.channels import send
from pipelines.alerts.sensors import Lookout, alert_sensor
from pipelines.alerts.text import Message
from pipelines.configuration.config import Config, ConfigError

_OPEN = UNFINISHED | {State.UNCERTAIN}


def lookout(config: Config, graph: Callable[[], AssetGraph]) -> Lookout:
    """Return what looks at a deployment and tells its channels."""

    def tell(name: str, message: Message) -> bool:
        try:
            config.require(f"alerts.channels.{name}")
        except ConfigError:
            return False
        return send(config.alerts.channels[name], message)

    def figures(destination: str, partitions: Sequence[str]) -> str:
        return unfinished_figures(config, destination, partitions)

    return Lookout(config.alerts, graph, figures, send=tell)


def sensors(
    config: Config, graph: Callable[[], AssetGraph]
) -> list[dg.SensorDefinition]:
    """Return the sensor of a deployment; none where nobody is to be told."""
    if not config.alerts.channels:
        return []
    return [alert_sensor(lookout(config, graph), config.alerts)]


def unfinished_figures(
    config: Config, destination: str, partitions: Sequence[str]
) -> str:
    """Say what is unfinished of some partitions, its worth, and why runs stopped.

    An alert leaves without figures where the delivery tables do not answer.
    """
    try:
        config.require("ledger_url")
        database = Database(config.ledger_url.get_secret_value())
        try:
            return _figures(database, destination, partitions)
        finally:
            database.dispose()
    except (ConfigError, LedgerError, SQLAlchemyError):
        return "The delivery tables did not answer: no figures."


def _figures(database: Database, destination: str, partitions: Sequence[str]) -> str:
    orders: Counter[str] = Counter()
    amounts: defaultdict[str, Decimal] = defaultdict(Decimal)
    found = totals(
        database, destination=destination, first=partitions[0], last=partitions[-1]
    )
    for one in found:
        if one.partition_key in partitions and one.state in _OPEN:
            orders[one.state] += one.orders
            if one.currency is not None and one.currency_digits is not None:
                worth = from_minor(one.amount_minor, one.currency_digits)
                amounts[one.currency] += worth
    said = [f"{count} {state}" for state, count in sorted(orders.items())]
    said += [f"{amount:,f} {code}" for code, amount in sorted(amounts.items())]
    reasons = sorted(set(last_stop_reasons(database, destination, partitions).values()))
    stopped = f" Runs stopped: {'; '.join(reasons)}." if reasons else ""
    return f"{destination}: {', '.join(said) or 'nothing unfinished'}.{stopped}"
