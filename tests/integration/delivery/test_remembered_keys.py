"""Remembered keys survive windows, runs, kills and an outage of the ledger."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from assets.delivery.destination import Destination
from assets.delivery.destination_partition import DestinationPartition
from assets.delivery.preview import preview
from assets.delivery.remembered_keys import RememberedKeys
from assets.ledger import remembered_keys
from assets.ledger.database import Database, LedgerError
from assets.ledger.ledger import Ledger
from assets.ledger.spool import Spool
from assets.ledger.tables import remembered
from assets.providers.base import Exchange, Limits, Request
from assets.providers.conversion import Conversion
from assets.providers.eligibility import Ineligible
from assets.providers.remembered_keys import Key, remembered_key
from assets.providers.replies import Outcome
from support.engine import (
    LOST,
    NEVER,
    Bench,
    Chunk,
    FakeProvider,
    FakeTransport,
    answer,
    many,
    order,
    orders_of,
    words,
)

LONG = {"postgresql"}


@dataclass
class Linking(FakeProvider):
    """Links each visitor once, as step 0, before the first order is reported."""

    def relevant_keys(self, conversion: Conversion) -> Sequence[Key]:
        return [remembered_key("linked", conversion.visitor_id or "")]

    def exchange(self, batch: Sequence[Conversion]) -> Exchange:
        (one,) = batch
        (key,) = self.relevant_keys(one)
        if key.digest not in one.remembered:
            link = replace(self._request(0, [one.order_id]), reports=False)
            reply = yield link
            if reply.status != 200:
                return [self._read(reply, one.order_id)]
        reply = yield self._request(1, [one.order_id])
        outcome: Outcome = self._read(reply, one.order_id)
        return [replace(outcome, remember=(key.digest,))]


@dataclass
class FirstOnly(FakeProvider):
    """Reports one order of each visitor."""

    def relevant_keys(self, conversion: Conversion) -> Sequence[Key]:
        return [remembered_key("first", conversion.visitor_id or "", is_exclusive=True)]

    def eligibility(self, conversion: Conversion, now: datetime) -> Ineligible | None:
        (key,) = self.relevant_keys(conversion)
        first = conversion.remembered.get(key.digest, conversion.order_id)
        if first != conversion.order_id:
            return Ineligible("suppressed", "not_first_order", f"{first} was reported")
        return super().eligibility(conversion, now)


def by(visitor: str, *ids: str) -> list[Conversion]:
    return [order(one, visitor_id=visitor) for one in ids]


def links(transport: Any) -> list[str]:
    """The orders before which a visitor was linked."""
    return [
        orders_of(request)[0]
        for request in transport.sent
        if json.loads(request.body)["step"] == 0
    ]


def stored_keys(bench: Bench) -> dict[str, str]:
    with bench.database.read() as connection:
        rows = connection.execute(select(remembered)).mappings()
        return {row["key_hash"]: row["order_id"] for row in rows}


def everything(bench: Bench) -> tuple[Any, ...]:
    return bench.rows(), bench.attempts(), stored_keys(bench)


@pytest.fixture
def linking(database: Database) -> Bench:
    return Bench(database, Linking(limits=Limits(in_flight=8)))


@pytest.fixture
def first_only(database: Database) -> Bench:
    return Bench(database, FirstOnly(limits=Limits(in_flight=8)))


# What an outcome teaches


def test_a_visitor_is_linked_once_in_a_window_in_a_chunk_and_in_a_run(
    linking: Bench,
) -> None:
    orders = [order(f"O{n:02}", visitor_id=f"v{n % 3}") for n in range(30)]
    linking.run(orders, chunk_rows=12)
    assert set(linking.states().values()) == {"accepted"}
    assert sorted(links(linking.transport)) == ["O00", "O01", "O02"]


def test_a_later_run_knows_the_key(linking: Bench) -> None:
    linking.run(by("v", "O1"))
    linking.transport = FakeTransport()
    linking.run(by("v", "O1", "O2"))
    assert links(linking.transport) == []
    assert linking.transport.orders == ["O2"]


def test_another_destination_does_not_know_the_key(linking: Bench) -> None:
    linking.run(by("v", "O1"))
    destination = Destination(
        name="other", provider_name="fake", provider=Linking(), mapping_version="m1"
    )
    ledger = Ledger(linking.database, destination="other", provider="fake", run_id="r")
    keys = RememberedKeys(destination.provider, ledger)
    (one,) = keys.attach(by("v", "O2"))
    assert dict(one.remembered) == {}


def test_a_recorded_key_stays_though_the_order_was_rejected(linking: Bench) -> None:
    linking.transport = FakeTransport({"O1": [answer(), words(O1="rejected")]})
    linking.run(by("v", "O1"))
    assert linking.states() == {"O1": "rejected"}
    linking.run(by("v", "O1", "O2"))
    assert links(linking.transport) == ["O1"]


def test_a_step_that_only_prepares_reports_nothing(linking: Bench) -> None:
    linking.transport = FakeTransport({"O1": LOST})
    linking.run(by("v", "O1"))
    row = linking.row()
    assert (row["state"], row["first_sent_at"]) == ("retryable", None)
    assert stored_keys(linking) == {}
    linking.clock.pass_by(hours=1)
    linking.transport = FakeTransport({"O1": [answer(), words(O1="duplicate")]})
    linking.run(by("v", "O1"))
    row = linking.row()
    assert (row["state"], row["state_reason"]) == ("duplicate", "foreign")


def test_orders_that_never_record_a_key_are_all_sent(linking: Bench) -> None:
    linking.transport = FakeTransport({f"O{n}": answer(400) for n in range(6)})
    linking.run(by("v", *(f"O{n}" for n in range(6))))
    assert set(linking.states().values()) == {"rejected"}
    assert len(linking.transport.sent) == 6


def test_a_finished_partition_is_left_alone(linking: Bench) -> None:
    orders = [*by("v", "O1", "O2"), *by("w", "O3")]
    linking.run(orders)
    before = everything(linking)
    linking.transport = FakeTransport()
    linking.run(orders)
    assert (linking.transport.sent, everything(linking)) == ([], before)


def test_it_is_recorded_with_the_outcome_through_the_spool(
    linking: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> int:
        raise OperationalError("insert", {}, Exception("disk full"))

    spool = Spool(tmp_path / "shop.jsonl")
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "record", fail)
        with pytest.raises(LedgerError):
            linking.run(by("v", "O1"), spool=spool)
    assert stored_keys(linking) == {}
    assert "visitor" not in spool.file.read_text()
    linking.run(by("v", "O1"), spool=spool)
    assert list(stored_keys(linking).values()) == ["O1"]
    assert linking.states() == {"O1": "accepted"}


def test_nothing_of_a_visitor_can_be_read_in_the_table(linking: Bench) -> None:
    linking.run(by("ada-lovelace", "O1"))
    (digest,) = stored_keys(linking)
    assert len(digest) == 64
    assert int(digest, 16)


def test_keys_of_different_facts_differ() -> None:
    keys = [
        remembered_key("a", "bc"),
        remembered_key("ab", "c"),
        remembered_key("a", "b", "c"),
    ]
    assert len({key.digest for key in keys}) == 3


@pytest.mark.long
def test_a_chunk_is_asked_for_at_once(
    linking: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    look_up = remembered_keys.look_up

    def count(connection: Any, destination: str, digests: Any) -> Any:
        asked.append(len(digests))
        return look_up(connection, destination, digests)

    monkeypatch.setattr(remembered_keys, "look_up", count)
    linking.run([order(f"O{n:04}", visitor_id=f"v{n}") for n in range(1200)])
    assert asked == [1000, 200, 1000, 200]
    with linking.database.read() as connection:
        count_of = select(func.count()).select_from(remembered)
        assert connection.execute(count_of).scalar() == 1200


# What one order holds


@pytest.mark.sampled(3)
@pytest.mark.parametrize("chunk_rows", [1, 2, 100])
def test_one_order_of_a_visitor_is_reported(first_only: Bench, chunk_rows: int) -> None:
    orders = [*by("v", "O1", "O2", "O3"), *by("w", "O4")]
    first_only.run(orders, chunk_rows=chunk_rows)
    assert sorted(first_only.transport.orders) == ["O1", "O4"]
    second = first_only.row("O2")
    assert (second["state"], second["state_reason"]) == (
        "suppressed",
        "not_first_order",
    )
    assert second["state_detail"] == "O1 was reported"


def test_orders_of_one_visitor_never_share_a_request(database: Database) -> None:
    limits = Limits(in_flight=2, conversions_per_request=50)
    bench = Bench(database, FirstOnly(limits=limits))
    bench.run([order(f"O{n:02}", visitor_id=f"v{n % 7}") for n in range(40)])
    assert len(bench.transport.orders) == 7


@pytest.mark.sampled(1)
def test_an_order_of_another_day_comes_too_late(first_only: Bench) -> None:
    first_only.run(by("v", "O9"))
    first_only.run(by("v", "O1"), partition_key="2026-11-21")
    assert first_only.states() == {"O9": "accepted", "O1": "suppressed"}
    assert first_only.transport.orders == ["O9"]


@pytest.mark.parametrize("policy", ["dedupe", "never"])
def test_an_order_that_may_have_counted_keeps_the_key_of_its_visitor(
    first_only: Bench, policy: str
) -> None:
    if policy == "never":
        first_only.provider.resend = NEVER
    first_only.transport = FakeTransport({"O1": LOST})
    first_only.run(by("v", "O1"))
    first_only.run(by("v", "O2"), partition_key="2026-11-21")
    assert first_only.states()["O2"] == "suppressed"


def test_a_run_that_died_after_its_bytes_left_keeps_the_key_of_its_visitor(
    first_only: Bench,
) -> None:
    first_only.provider.resend = NEVER

    def die(_request: Request) -> None:
        raise KeyboardInterrupt

    first_only.transport = FakeTransport(witness=die)
    with pytest.raises(KeyboardInterrupt):
        first_only.run(by("v", "O1"))
    assert first_only.states() == {"O1": "sending"}
    first_only.transport = FakeTransport()
    first_only.clock.pass_by(hours=1)
    first_only.run(by("v", "O1", "O2"))
    assert first_only.states() == {"O1": "uncertain", "O2": "suppressed"}
    assert first_only.transport.sent == []


def test_an_order_that_is_not_reported_releases_its_key(first_only: Bench) -> None:
    first_only.transport = FakeTransport({"O1": words(O1="rejected")})
    first_only.run(by("v", "O1"))
    first_only.run(by("v", "O2"), partition_key="2026-11-21")
    assert first_only.states() == {"O1": "rejected", "O2": "accepted"}
    assert list(stored_keys(first_only).values()) == ["O2"]


def test_an_order_that_became_ineligible_releases_its_key(first_only: Bench) -> None:
    first_only.run(by("v", "O1"), limit=0)
    assert first_only.states() == {"O1": "pending"}
    first_only.provider.ineligible = {
        "O1": Ineligible("suppressed", "consent_refused", "tracking_consent is false")
    }
    first_only.run(by("v", "O1", "O2"))
    assert first_only.states() == {"O1": "suppressed", "O2": "accepted"}


def test_an_order_is_sent_again_under_its_own_name(first_only: Bench) -> None:
    first_only.transport = FakeTransport({"O1": [LOST, answer()]})
    first_only.run(by("v", "O1", "O2"))
    first_only.clock.pass_by(hours=1)
    first_only.run(by("v", "O1", "O2"))
    assert first_only.states() == {"O1": "accepted", "O2": "suppressed"}


def test_a_finished_partition_of_first_orders_is_left_alone(first_only: Bench) -> None:
    orders = [*by("v", "O1", "O2"), *by("w", "O3", "O4")]
    first_only.run(orders)
    before = everything(first_only)
    first_only.transport = FakeTransport()
    first_only.run(orders)
    assert (first_only.transport.sent, everything(first_only)) == ([], before)


def test_a_dry_run_reserves_no_key(first_only: Bench) -> None:
    destination = Destination(
        name="shop",
        provider_name="fake",
        provider=first_only.provider,
        mapping_version="m1",
    )
    partition = DestinationPartition(
        destination, first_only.ledger(), partition_key="d", zone=UTC
    )
    found = preview(partition, [Chunk(by("v", "O1", "O2"))])
    assert (found.conversions, dict(found.not_sent)) == (
        1,
        {("suppressed", "not_first_order"): 1},
    )
    assert stored_keys(first_only) == {}


def test_a_provider_without_remembered_keys_costs_no_query(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered_keys, "look_up", None)
    bench = Bench(database)
    bench.run(many(3))
    assert set(bench.states().values()) == {"accepted"}
