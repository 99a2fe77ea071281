"""Invariants of the delivery tables that hold at any moment, whatever fails.

The ledger is compared with the journal of what a server received, so that the ledger
never proves itself. I1 to I8 are the guarantees of the product, by number.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import select

from assets.ledger.database import Database
from assets.ledger.states import DELIVERED, REPLANNABLE, State
from assets.ledger.tables import delivery, delivery_attempt
from assets.ledger.totals import totals
from assets.providers.base import ResendPolicy
from assets.providers.replies import Verdict

Money = tuple[int, str]
"""Minor units and currency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRequest:
    """One request as the server received it, whole.

    Attributes:
        orders: The order ids in it.
        body: Its exact bytes.
        applied: The orders that the server counted (its effects).
        answered: What a complete reply said, by order id, as a `Verdict`; a missing
            order got no reply.
        at: When, on the clock of the exporter; None: the resend window is not checked.
        asks: It is a look-up: it changes nothing at the provider and needs no intent.
    """

    orders: Collection[str]
    body: bytes
    applied: Collection[str] = ()
    answered: Mapping[str, str] = field(default_factory=dict)
    destination: str = "shop"
    at: datetime | None = None
    asks: bool = False


def check_invariants(
    database: Database,
    eligible: Mapping[str, Money | None],
    destinations: Mapping[str, ResendPolicy],
    journal: Sequence[SeenRequest],
    *,
    complete: bool = True,
    earlier: Mapping[str, Collection[Money]] | None = None,
    secrets: Collection[str] = (),
    rerun: Callable[[], object] | None = None,
) -> None:
    """Fail with every invariant that does not hold.

    Args:
        database: The delivery tables.
        eligible: Every order of the source: id -> minor units, currency; None: what
            it is worth cannot be read, or is left to the test.
        destinations: Every enabled destination with its resend policy.
        journal: What the server saw, oldest first; with `rerun` the live one.
        complete: A run has planned every order; else some may still be missing.
        earlier: Of orders whose source row changed, what it said before.
        secrets: Values that must not be stored anywhere (I8).
        rerun: Runs the partition, which must be finished, once more (I5).
    """
    found = _Found(database, eligible, destinations, journal, earlier or {})
    broken = [
        *_never_lost(found, complete=complete),
        *_never_double_sent(found),
        *_intent_before_bytes(found),
        *_no_false_success(found),
        *_same_row_same_bytes(found),
        *_money_is_conserved(found, complete=complete),
        *_secrets_are_kept(found, secrets),
    ]
    if rerun is not None:
        broken += _rerun_changes_nothing(found, rerun)
    assert not broken, "\n".join(broken[:40])


class _Found:
    """Ledger and journal, read once."""

    def __init__(
        self,
        database: Database,
        eligible: Mapping[str, Money | None],
        destinations: Mapping[str, ResendPolicy],
        journal: Sequence[SeenRequest],
        earlier: Mapping[str, Collection[Money]],
    ) -> None:
        self.database = database
        self.eligible = eligible
        self.destinations = destinations
        self.journal = journal
        self.earlier = earlier
        self.rows = _read(database, delivery)
        self.attempts = _read(database, delivery_attempt)
        self.seen: dict[tuple[str, str], list[SeenRequest]] = defaultdict(list)
        for one in journal:
            for order_id in one.orders:
                self.seen[one.destination, order_id].append(one)
        self.manual = Counter(
            row["delivery_id"] for row in self.attempts if row["event"] == "manual"
        )

    def of(self, row: Mapping[str, Any]) -> list[SeenRequest]:
        """The requests about a delivery."""
        return self.seen.get((row["destination"], row["order_id"]), [])


def _read(database: Database, table: Any) -> list[dict[str, Any]]:
    statement = select(table).order_by(*table.primary_key)
    with database.read() as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]


def _never_lost(found: _Found, *, complete: bool) -> Iterator[str]:
    have = Counter((row["destination"], row["order_id"]) for row in found.rows)
    expected = {
        (name, order_id) for name in found.destinations for order_id in found.eligible
    }
    yield from (f"I1: {key} has {n} deliveries" for key, n in have.items() if n > 1)
    yield from (f"I1: {key} comes from no order" for key in have.keys() - expected)
    if complete:
        yield from (f"I1: {key} is lost" for key in sorted(expected - have.keys()))


def _never_double_sent(found: _Found) -> Iterator[str]:
    for row in found.rows:
        policy = found.destinations.get(row["destination"])
        seen = [one for one in found.of(row) if not one.asks]
        resets = found.manual[row["delivery_id"]]
        name = f"{row['destination']} {row['order_id']}"
        effects = sum(row["order_id"] in one.applied for one in seen)
        if effects > 1 + resets:
            yield f"I2: {name} was counted {effects} times"
        if policy is None or resets:
            continue
        if not policy.is_safe and _was_repeated_blindly(row["order_id"], seen):
            yield f"I2: {name} was sent again although it may have counted"
        if _was_repeated_late(policy, row["order_id"], seen):
            yield f"I2: {name} was sent again after the provider forgot it"
        forgetful = REPLANNABLE if policy.is_safe else REPLANNABLE | {State.RETRYABLE}
        if effects and row["state"] in forgetful:
            yield f"I2: {name} was counted and is {row['state']}"


_NOT_PROCESSED = {Verdict.REJECTED, Verdict.RETRYABLE, Verdict.CONFIGURATION}


def _was_repeated_blindly(order_id: str, seen: Sequence[SeenRequest]) -> bool:
    return any(one.answered.get(order_id) not in _NOT_PROCESSED for one in seen[:-1])


def _was_repeated_late(
    policy: ResendPolicy, order_id: str, seen: Sequence[SeenRequest]
) -> bool:
    begun: datetime | None = None
    for one in seen:
        if policy.window and begun and one.at and one.at - begun > policy.window:
            return True
        if begun is None and one.answered.get(order_id) not in _NOT_PROCESSED:
            begun = one.at
    return False


def _intent_before_bytes(found: _Found) -> Iterator[str]:
    whose = {row["delivery_id"]: row for row in found.rows}
    intents = Counter(
        (
            whose[one["delivery_id"]]["destination"],
            whose[one["delivery_id"]]["order_id"],
            one["request_hash"],
        )
        for one in found.attempts
        if one["event"] == "intent"
    )
    requests = Counter(
        (one.destination, order_id, sha256(one.body).hexdigest())
        for one in found.journal
        for order_id in one.orders
        if not one.asks
    )
    for (name, order_id, _), times in (requests - intents).items():
        yield f"I3: {name} {order_id}: {times} requests without an intent"


def _no_false_success(found: _Found) -> Iterator[str]:
    proven = {
        (row["delivery_id"], row["to_state"])
        for row in found.attempts
        if row["event"] in {"outcome", "settle", "manual"}
    }
    for row in found.rows:
        name = f"{row['destination']} {row['order_id']}"
        if row["state"] not in DELIVERED | {State.QUEUED, State.REJECTED}:
            continue
        if (row["delivery_id"], row["state"]) not in proven:
            yield f"I4: {name} is {row['state']} without an attempt that says so"
        said = {one.answered.get(row["order_id"]) for one in found.of(row)}
        if row["state"] not in said and not found.manual[row["delivery_id"]]:
            yield f"I4: {name} is {row['state']}, the server said {said or 'nothing'}"


def _same_row_same_bytes(found: _Found) -> Iterator[str]:
    intents = [one for one in found.attempts if one["event"] == "intent"]
    size = Counter((one["batch_id"], one["step_no"]) for one in intents)
    said: dict[tuple[str, int, bool], set[str]] = defaultdict(set)
    for one in intents:
        step = one["step_no"]
        said[one["delivery_id"], step, False].add(repr(one["request_json"]))
        if size[one["batch_id"], step] == 1:
            said[one["delivery_id"], step, True].add(one["request_hash"])
    changed = {
        row["delivery_id"] for row in found.rows if row["order_id"] in found.earlier
    }
    for (key, step, _), variants in said.items():
        if len(variants) > 1 and key not in changed:
            yield f"I6: {key} said {len(variants)} different things in step {step}"


def _money_is_conserved(found: _Found, *, complete: bool) -> Iterator[str]:
    expected: Counter[tuple[str, str]] = Counter()
    for row in found.rows:
        money = (row["amount_minor"], row["currency"])
        worth = found.eligible.get(row["order_id"])
        is_unread = worth is None and row["order_id"] in found.eligible
        versions = {worth, *found.earlier.get(row["order_id"], ())}
        if money not in versions and not is_unread:
            yield f"I7: {row['order_id']} is worth {money}, the source says {versions}"
        if is_unread or row["order_id"] in found.earlier:
            expected[row["destination"], str(money[1])] += money[0] or 0
    for name in found.destinations:
        for order_id, known in found.eligible.items():
            if known is not None and order_id not in found.earlier:
                expected[name, known[1]] += known[0]
    kept: Counter[tuple[str, str]] = Counter()
    for total in totals(found.database):
        kept[total.destination, str(total.currency)] += total.amount_minor
    if complete and +kept != +expected:
        yield f"I7: the states add up to {dict(kept)}, the orders to {dict(expected)}"


def _secrets_are_kept(found: _Found, secrets: Collection[str]) -> Iterator[str]:
    for row in (*found.rows, *found.attempts):
        kept = repr(row)
        if any(secret in kept for secret in secrets):
            yield f"I8: a secret stands in a row of {row['delivery_id']}"


def _rerun_changes_nothing(found: _Found, rerun: Callable[[], object]) -> Iterator[str]:
    requests = len(found.journal)
    rerun()
    if len(found.journal) != requests:
        yield f"I5: the re-run sent {len(found.journal) - requests} requests"
    if _read(found.database, delivery) != found.rows:
        yield "I5: the re-run changed deliveries"
    if _read(found.database, delivery_attempt) != found.attempts:
        yield "I5: the re-run added attempts"
