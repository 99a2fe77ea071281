"""`attribution resolve`: which deliveries the words of the command line mean."""

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
class Word:
    """What a person said.

    Attributes:
        may_repeat: What may have counted is to be sent again as well.
    """

    is_delivered: bool
    by: str
    why: str
    may_repeat: bool = False


def resolved(
    config: Config,
    database: Database,
    which: str,
    word: Word,
    *,
    first: date | None,
    last: date | None,
    destination: str | None,
    reason: str | None,
    order_ids: Collection[str] | None,
) -> Sequence[Resolution]:
    """Settle one delivery, all in a state, or a list of orders.

    Args:
        config: Names the destinations.
        database: The delivery tables.
        which: The id of a delivery, a state, or `orders`.
        word: What was said.
        first: The day; not with an id.
        last: The last of several days.
        destination: Whose; not with an id.
        reason: Only what stands there for this reason.
        order_ids: Only these orders.

    Raises:
        ConfigError: The words do not fit together, or do not fit what is there.
    """
    by, why = word.by, word.why
    is_many = which == ORDERS or which in {*MANUAL_TRANSITIONS}
    try:
        if not is_many and first is None and destination is None:
            verdict = word.is_delivered
            one = resolve(database, which, is_delivered=verdict, by=by, why=why)
            return [one]
        if not is_many or first is None or destination is None:
            message = (
                "Resolving failed: expected a delivery id, or `staged`, `uncertain`, "
                "`exhausted`, `rejected` or `orders` with --date and --to. Give one of "
                "the two."
            )
            raise ConfigError(message)
        if which == ORDERS:
            told = _told(config, destination, first)
            _check_orders(word, order_ids, last, reason)
            return declare_delivered(database, told, order_ids or (), by=by, why=why)
        chosen = Selection(
            destination=destination,
            first=first.isoformat(),
            last=(last or first).isoformat(),
            state=State(which),
            reason=reason,
            order_ids=order_ids,
        )
        return resolve_all(
            database,
            chosen,
            is_delivered=word.is_delivered,
            may_repeat=word.may_repeat,
            by=by,
            why=why,
        )
    except ResolveError as wrong:
        raise ConfigError(str(wrong)) from None


def _told(config: Config, destination: str, day: date) -> DeclarationTarget:
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


def _check_orders(
    word: Word,
    order_ids: Collection[str] | None,
    last: date | None,
    reason: str | None,
) -> None:
    if order_ids is None or last or reason or not word.is_delivered:
        message = (
            "Resolving failed: expected `orders delivered` with --date, --to and "
            "--orders, got other words. Take out --until and --reason; what is not "
            "delivered needs no word."
        )
        raise ConfigError(message)
