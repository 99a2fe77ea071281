"""Resolves the deliveries that the arguments of `attribution resolve` select."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from assets.ledger.database import Database
from assets.ledger.states import MANUAL_TRANSITIONS, State
from assets.providers.registry import make_provider
from assets.resolution.declare import DeclarationTarget, declare_delivered
from assets.resolution.resolve import (
    Resolution,
    ResolveError,
    Selection,
    resolve,
    resolve_all,
)
from pipelines.configuration.config import Config, ConfigError

ORDERS = "orders"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """The deliveries that a person selected.

    Attributes:
        target: The id of a delivery, a state, or `orders`.
        first: The day; None with an id.
        last: The last of several days; None for one day.
        destination: Name of the destination; None with an id.
        reason: Only deliveries with this reason code; None for all.
        order_ids: Only these orders; None for all.
    """

    target: str
    first: date | None = None
    last: date | None = None
    destination: str | None = None
    reason: str | None = None
    order_ids: Collection[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person decided about the deliveries.

    Attributes:
        is_delivered: Whether the provider has them.
        by: Name of the person.
        why: The reason.
        may_repeat: Whether orders that may have counted are sent again as well.
    """

    is_delivered: bool
    by: str
    why: str
    may_repeat: bool = False


def resolve_deliveries(
    config: Config, database: Database, selector: Selector, decision: Decision
) -> Sequence[Resolution]:
    """Resolve one delivery, all deliveries in a state, or a list of orders.

    Args:
        config: The deployment.
        database: The delivery tables.
        selector: The deliveries.
        decision: The decision about them.

    Raises:
        ConfigError: The arguments do not fit together, or there is no such delivery.
    """
    target = selector.target
    by, why, is_delivered = decision.by, decision.why, decision.is_delivered
    is_id = target != ORDERS and target not in {*MANUAL_TRANSITIONS}
    try:
        if is_id and selector.first is None and selector.destination is None:
            return [
                resolve(database, target, is_delivered=is_delivered, by=by, why=why)
            ]
        if is_id or selector.first is None or selector.destination is None:
            message = (
                "Resolving failed: expected a delivery id, or `staged`, `uncertain`, "
                "`exhausted`, `rejected` or `orders` with --date and --to. Give one of "
                "the two."
            )
            raise ConfigError(message)
        if target == ORDERS:
            report = _report(config, selector.destination, selector.first)
            orders = _declared_orders(selector, decision)
            return declare_delivered(database, report, orders, by=by, why=why)
        return resolve_all(
            database,
            Selection(
                destination=selector.destination,
                first=selector.first.isoformat(),
                last=(selector.last or selector.first).isoformat(),
                state=State(target),
                reason=selector.reason,
                order_ids=selector.order_ids,
            ),
            is_delivered=is_delivered,
            may_repeat=decision.may_repeat,
            by=by,
            why=why,
        )
    except ResolveError as error:
        raise ConfigError(str(error)) from None


def _report(config: Config, destination: str, day: date) -> DeclarationTarget:
    if destination not in config.destinations:
        message = (
            f"Resolving failed: expected one of {', '.join(config.destinations)}, got "
            f"{destination}. Correct --to."
        )
        raise ConfigError(message)
    settings = config.destinations[destination]
    return DeclarationTarget(
        destination=destination,
        provider=settings.provider,
        event=make_provider(settings).event,
        day=day,
    )


def _declared_orders(selector: Selector, decision: Decision) -> Collection[str]:
    orders = selector.order_ids
    if orders is None or selector.last or selector.reason or not decision.is_delivered:
        message = (
            "Resolving failed: expected `orders delivered` with --date, --to and "
            "--orders, got other arguments. Take out --until and --reason. Orders that "
            "were not delivered need no decision."
        )
        raise ConfigError(message)
    return orders
