"""Real orders, loaded as they are: every one of them is accounted for.

The orders of a Brazilian marketplace, with text for money and local time, go through
statements of their own (`tests/olist/extract`) to four providers. What they come to is
worked out from the files by plain Python and compared with the delivery tables and
with what the sandbox received. Five days, and three months.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from olist.deployment import ACCOUNTS, Deployment
from olist.figures import Order, completed_orders, sent_to
from olist.loader import DATA, add_order
from olist.visitors import make_up
from pipelines.sandbox.server import SandboxServer

# The only skip: the orders lie beside the checkout, and not everywhere.
pytestmark = [
    pytest.mark.skipif(not DATA.is_dir(), reason=f"there are no orders in {DATA}"),
    pytest.mark.timeout(2700),
    pytest.mark.long,
]

# Its clocks skip midnight of the 15th.
FIVE_DAYS = (date(2017, 10, 12), date(2017, 10, 16))
THREE_MONTHS = (date(2017, 10, 1), date(2017, 12, 31))

FAULTS = (
    "impact/IRapp:settle=CONTRACT_NOT_FOUND@0.05",
    "trackdesk/clicks:status=403 conversion limit reached@0.05~.",
)
"""What ends a delivery for good, so that a second run has nothing left to do."""

SENT = ("accepted", "settled", "duplicate", "rejected", "queued")
HELD_BACK = {
    "impact_shop": {"no_click_id"},
    "impact_app": set(),
    "convert_web": {"no_bucketing"},
    "trackdesk_clicks": {"no_click_id", "wrong_tenant"},
    "trackdesk_linked": {"no_external_cid", "no_click_id", "wrong_tenant"},
    "idme_wallet": {"no_tracking_id"},
}


@dataclass(frozen=True)
class Backfilled:
    """A range of days after its backfill, and what it should have come to."""

    deployment: Deployment
    days: tuple[date, date]
    orders: list[Order]
    sent: dict[str, set[str]]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(FIVE_DAYS, id="five-days"),
        pytest.param(THREE_MONTHS, id="2017-q4", marks=pytest.mark.long),
    ],
)
def backfilled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Backfilled]:
    first, last = request.param
    everything = completed_orders(DATA)
    made_up = make_up(everything)
    orders = [order for order in everything if first <= order.day <= last]
    folder = tmp_path_factory.mktemp("olist")
    with SandboxServer(faults=FAULTS) as sandbox:
        deployment = Deployment(folder, sandbox, made_up)
        run = deployment.backfill(first, last)
        assert run.returncode == 0, run.stderr
        yield Backfilled(deployment, (first, last), orders, sent_to(orders, made_up))
        deployment.database.dispose()


def test_every_completed_order_is_in_one_state_for_each_destination(
    backfilled: Backfilled,
) -> None:
    expected = Counter(order.order_id for order in backfilled.orders)
    assert max(expected.values()) == 1

    for name in ACCOUNTS:
        rows = backfilled.deployment.rows(
            f"select order_id from delivery where destination = '{name}'"
        )
        assert Counter(row["order_id"] for row in rows) == expected


def test_every_order_is_in_the_day_on_which_the_shop_saw_it(
    backfilled: Backfilled,
) -> None:
    days = {order.order_id: order.day.isoformat() for order in backfilled.orders}

    rows = backfilled.deployment.rows(
        "select order_id, partition_key, order_date from delivery"
    )

    assert {(row["order_id"], row["partition_key"]) for row in rows} == set(
        days.items()
    )
    assert {(row["order_id"], row["order_date"]) for row in rows} == set(days.items())


def test_the_money_is_equal_to_the_cent(backfilled: Backfilled) -> None:
    cents = {order.order_id: order.cents for order in backfilled.orders}

    rows = backfilled.deployment.rows(
        "select destination, order_id, amount_minor, currency, currency_digits "
        "from delivery"
    )

    assert {(row["currency"], row["currency_digits"]) for row in rows} == {("BRL", 2)}
    for name in ACCOUNTS:
        ours = [row for row in rows if row["destination"] == name]
        assert {row["order_id"]: row["amount_minor"] for row in ours} == cents


def test_the_reported_money_is_what_was_paid(backfilled: Backfilled) -> None:
    daily = backfilled.deployment.rows(
        "select destination, sum(orders) as orders, sum(amount) as amount "
        "from v_delivery_daily group by destination"
    )

    expected = sum(order.cents for order in backfilled.orders)
    assert {row["destination"]: round(100 * row["amount"]) for row in daily} == (
        dict.fromkeys(ACCOUNTS, expected)
    )
    assert {row["orders"] for row in daily} == {len(backfilled.orders)}


def test_exactly_the_orders_with_an_identifier_in_time_are_sent(
    backfilled: Backfilled,
) -> None:
    states = ", ".join(f"'{state}'" for state in SENT)

    for name in ACCOUNTS:
        rows = backfilled.deployment.rows(
            "select order_id from delivery "
            f"where destination = '{name}' and state in ({states})"
        )
        assert {row["order_id"] for row in rows} == backfilled.sent[name]


def test_ineligible_orders_name_their_reason(backfilled: Backfilled) -> None:
    for name, reasons in HELD_BACK.items():
        rows = backfilled.deployment.rows(
            "select state, state_reason, count(*) as orders from delivery "
            f"where destination = '{name}' and state in ('suppressed', 'quarantined') "
            "group by state, state_reason"
        )
        found = {(row["state"], row["state_reason"]) for row in rows}
        assert found <= {("suppressed", reason) for reason in reasons}
        held = len(backfilled.orders) - len(backfilled.sent[name])
        assert sum(row["orders"] for row in rows) == held


def test_what_is_called_sent_was_received_and_counted_once(
    backfilled: Backfilled,
) -> None:
    sandbox = backfilled.deployment.sandbox

    for name, account in ACCOUNTS.items():
        rows = backfilled.deployment.rows(
            f"select order_id, state from delivery where destination = '{name}'"
        )
        taken = {row["order_id"] for row in rows if row["state"] in SENT[:3]}
        assert sandbox.requests(*account) == dict.fromkeys(backfilled.sent[name], 1)
        assert sandbox.effects(*account) == dict.fromkeys(taken, 1)


def test_what_the_providers_refuse_is_rejected_with_their_reason(
    backfilled: Backfilled,
) -> None:
    rows = backfilled.deployment.rows(
        "select destination, state_reason, count(*) as orders from delivery "
        "where state = 'rejected' group by destination, state_reason"
    )

    assert {(row["destination"], row["state_reason"]) for row in rows} == {
        ("impact_app", "contract_not_found"),
        ("trackdesk_clicks", "limit_reached"),
    }


def test_the_reconciliation_misses_no_order_and_no_money(
    backfilled: Backfilled,
) -> None:
    rows = backfilled.deployment.rows("select * from v_reconcile")

    days = {order.day for order in backfilled.orders}
    assert len(rows) == len(days) * len(ACCOUNTS)
    assert {row["never_seen"] for row in rows} == {0}
    assert {row["money_never_seen"] for row in rows} == {0}
    assert {row["unfinished"] + row["uncertain"] for row in rows} == {0}


def test_the_warehouse_holds_the_same_deliveries(backfilled: Backfilled) -> None:
    statement = (
        "select delivery_id, state, amount_minor, row_version from {}delivery "
        "order by delivery_id"
    )

    copy = backfilled.deployment.published(statement.format("attribution."))

    rows = backfilled.deployment.rows(statement.format(""))
    assert copy == [tuple(row.values()) for row in rows]


# Last of the backfilled ones, because it runs the backfill again.
def test_a_second_backfill_sends_nothing_and_changes_no_delivery(
    backfilled: Backfilled,
) -> None:
    deployment = backfilled.deployment
    before = deployment.rows("select * from delivery order by delivery_id")
    attempts = deployment.rows("select * from delivery_attempt order by attempt_id")
    received = len(deployment.sandbox.journal.entries)

    run = deployment.backfill(*backfilled.days)

    assert run.returncode == 0, run.stderr
    assert deployment.sandbox.journal.entries[received:] == []
    assert deployment.rows("select * from delivery order by delivery_id") == before
    assert (
        deployment.rows("select * from delivery_attempt order by attempt_id")
        == attempts
    )


def test_an_order_at_a_time_the_clock_skips_or_repeats_is_quarantined_in_one_day(
    tmp_path: Path,
) -> None:
    orders = completed_orders(DATA)
    some = orders[0]
    with SandboxServer() as sandbox:
        deployment = Deployment(tmp_path, sandbox, make_up(orders))
        for order_id, at in (
            ("repeated", "2/18/2017 23:30"),
            ("skipped", "10/15/2017 0:30"),
        ):
            add_order(deployment.warehouse, order_id, at, like=some.order_id)

        for first, last in (
            (date(2017, 2, 18), date(2017, 2, 19)),
            (date(2017, 10, 14), date(2017, 10, 15)),
        ):
            run = deployment.backfill(first, last)
            assert run.returncode == 0, run.stderr

        held = deployment.rows(
            "select order_id, partition_key, reasons from quarantine_row "
            "order by order_id"
        )
        made = deployment.rows(
            "select destination, order_id, state, state_reason, amount_minor "
            "from delivery where order_id in ('repeated', 'skipped')"
        )
        unseen = deployment.rows("select * from v_reconcile where never_seen <> 0")
        deployment.database.dispose()

    assert [tuple(row.values()) for row in held] == [
        ("repeated", "2017-02-18", '["ambiguous_time"]'),
        ("skipped", "2017-10-14", '["ambiguous_time"]'),
    ]
    assert {tuple(row.values()) for row in made} == {
        (name, order_id, "quarantined", "ambiguous_time", some.cents)
        for name in ACCOUNTS
        for order_id in ("repeated", "skipped")
    }
    assert unseen == []
