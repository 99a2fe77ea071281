"""Fault matrix, rows 60, 65 and 66: orders that contradict themselves, are ineligible,
or are refunded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from assets.ledger.tables import data_issue
from support.engine import NEVER
from support.raw_server import TAKEN, Response, always, reset, respond
from support.shop import BEFORE, DAY, NOON
from support.shop_destinations import CID, cancel, use

if TYPE_CHECKING:
    from support.harness import MakeHarness
    from support.shop import Shop


@pytest.mark.sampled(1)
def test_60_the_same_row_twice_is_one_order(shop: Shop) -> None:
    shop.order("O1")
    shop.execute("insert into completed_orders select * from completed_orders")
    shop.run()
    assert shop.harness.states() == {"O1": "accepted"}
    assert shop.harness.server.log.counted == {"O1": 1}
    shop.check({"O1": (1000, "USD")})


@pytest.mark.sampled(1)
def test_60_two_rows_that_contradict_each_other_are_both_quarantined(
    shop: Shop,
) -> None:
    shop.order("O1", 10)
    shop.order("O2", 10)
    shop.order("O1", 11)
    shop.execute("delete from order_items where subtotal = 11")
    shop.run()
    assert shop.quarantined_orders() == {"O1": "conflicting_rows"}
    assert shop.harness.server.log.counted == {"O2": 1}
    worth = {"O1": (shop.harness.row("O1")["amount_minor"], "USD"), "O2": (1000, "USD")}
    assert worth["O1"][0] in {1000, 1100}
    shop.check(worth)


BY_CLICK = {
    "no-consent": None,
    "refused": "consent_refused",
    "not-seen": None,
    "two-variations": None,
    "variation-unknown": None,
    "other-currency": None,
    "nobody": "no_click_id",
    "no-click": "no_click_id",
}
NOT_SENT = {
    "convert": {
        "no-consent": "no_consent",
        "refused": "consent_refused",
        "not-seen": "no_bucketing",
        "two-variations": "no_bucketing",
        "variation-unknown": "no_bucketing",
        "other-currency": "currency_not_taken",
        "nobody": "no_visitor_id",
        "no-click": None,
    },
    "impact": BY_CLICK,
    "trackdesk": BY_CLICK,
}


def fill(shop: Shop) -> None:
    """One order of each kind, each with a visitor of its own."""
    shop.retype(tracking_consent="text")
    changes: dict[str, dict[str, Any]] = {name: {} for name in NOT_SENT["convert"]}
    changes["no-consent"] = {"tracking_consent": None}
    changes["refused"] = {"tracking_consent": "FALSE"}
    changes["other-currency"] = {"currency": "EUR"}
    changes["nobody"] = {"visitor_id": None}
    for name, changed in changes.items():
        plain = {"tracking_consent": "true", "visitor_id": f"v-{name}"}
        shop.order(name, **plain | changed)
        clicks = {"impact_click_id": "click", "trackdesk_cid": CID}
        for kind, value in clicks.items():
            if name not in {"nobody", "no-click"}:
                known = {"visitor_id": f"v-{name}", "captured_at": BEFORE}
                shop.add("visitor_identifiers", kind=kind, value=value, **known)
        seen = {"two-variations": ["a", "b"], "not-seen": [], "variation-unknown": [""]}
        for variation in seen.get(name, ["a"]):
            shop.add(
                "visitor_bucketing",
                visitor_id=f"v-{name}",
                experience_id="100",
                variation_id=variation,
                bucketed_at=BEFORE,
            )


@pytest.mark.sampled(1)
@pytest.mark.parametrize("policy", [NEVER], indirect=True, ids=["own"])
@pytest.mark.parametrize("name", NOT_SENT)
def test_65_an_ineligible_order_is_suppressed_with_its_reason(
    shop: Shop, make_harness: MakeHarness, make_impact: MakeHarness, name: str
) -> None:
    use(shop, name, make_harness, make_impact)
    fill(shop)
    shop.run()
    rows = {row["order_id"]: row for row in shop.harness.rows()}
    held = {
        one: row["state_reason"]
        for one, row in rows.items()
        if row["state"] == "suppressed"
    }
    expected = NOT_SENT[name]
    assert held == {one: why for one, why in expected.items() if why}
    sent = {one for one, why in expected.items() if why is None}
    assert set(shop.harness.server.log.orders) == sent
    issues = {row["order_id"]: row["code"] for row in shop.harness.rows(data_issue)}
    assert issues == {
        "two-variations": "bucketing_conflict",
        "variation-unknown": "unfit_exposure",
    }
    currencies = dict.fromkeys(rows, "USD") | {"other-currency": "EUR"}
    shop.check({one: (1000, currency) for one, currency in currencies.items()})


@pytest.mark.parametrize("policy", [NEVER], indirect=True, ids=["own"])
def test_65_a_late_click_lets_an_order_be_sent(
    shop: Shop, make_harness: MakeHarness, make_impact: MakeHarness
) -> None:
    use(shop, "impact", make_harness, make_impact)
    shop.order("O1")
    shop.run()
    assert shop.harness.states() == {"O1": "suppressed"}
    known = {"kind": "impact_click_id", "value": "late", "captured_at": NOON}
    shop.add("visitor_identifiers", order_id="O1", **known)
    shop.run()
    assert shop.harness.states() == {"O1": "queued"}
    assert len(shop.harness.server.seen) == 1


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "response", [respond(401, "", "configuration"), respond(429, "", "retryable")]
)
def test_66_refunded_before_it_was_sent(shop: Shop, response: Response) -> None:
    shop.order("O1")
    shop.order("O2")
    shop.harness.server.script = lambda order, _: response if order == "O1" else TAKEN
    shop.run()
    assert shop.harness.state("O1") in {"pending", "retryable"}
    cancel(shop)
    shop.harness.server.script = always(TAKEN)
    shop.harness.later()
    summary = shop.run()
    assert summary.unfinished == 0
    assert shop.harness.state("O2") == "accepted"
    assert shop.harness.state("O1") in {"suppressed", "exhausted"}
    assert shop.harness.row("O1")["state_reason"] == "order_gone"
    assert shop.harness.server.log.counted == {"O2": 1}
    shop.check({"O1": (1000, "USD"), "O2": (1000, "USD")})


def needs_reversal(shop: Shop) -> list[tuple[Any, ...]]:
    columns = "destination, order_id, amount, currency, state"
    with shop.harness.database.read() as connection:
        found = connection.exec_driver_sql(
            f"select {columns} from v_needs_reversal order by order_id"
        )
        return [(*row[:2], float(row[2]), *row[3:]) for row in found]


@pytest.mark.long
def test_66_refunded_after_it_was_sent(shop: Shop) -> None:
    shop.order("O1")
    shop.order("O2")
    shop.run()
    assert needs_reversal(shop) == []
    before = shop.harness.rows()
    cancel(shop)
    shop.harness.later()
    assert shop.run().requests == 0
    assert shop.harness.rows() == before
    assert set(shop.harness.states().values()) == {"accepted"}
    assert needs_reversal(shop) == [("shop", "O1", 10.0, "USD", "accepted")]

    noted = shop.harness.rows(data_issue)
    shop.harness.later()
    shop.check({"O1": (1000, "USD"), "O2": (1000, "USD")})
    assert shop.harness.rows(data_issue) == noted

    shop.order("O1")
    assert shop.run().requests == 0
    assert shop.harness.rows() == before
    assert (needs_reversal(shop), shop.harness.rows(data_issue)) == ([], [])


@pytest.mark.long
def test_66_an_order_that_moved_to_another_day_needs_no_reversal(shop: Shop) -> None:
    shop.order("O1")
    shop.order("O2")
    shop.run()
    shop.execute("update completed_orders set completed_at = :at", at=NOON + DAY)
    shop.run()
    assert [one[1] for one in needs_reversal(shop)] == ["O1", "O2"]
    shop.window, shop.key = (shop.window[1], shop.window[1] + DAY), "2026-01-03"
    shop.run()
    assert needs_reversal(shop) == []
    shop.check({"O1": (1000, "USD"), "O2": (1000, "USD")})


def test_66_a_quarantined_order_needs_no_reversal(shop: Shop) -> None:
    shop.order("O1")
    shop.run()
    shop.execute("update completed_orders set currency = 'ZZZ'")
    shop.run()
    assert needs_reversal(shop) == []
    assert shop.harness.states() == {"O1": "accepted"}


@pytest.mark.sampled(1)
def test_66_refunded_while_its_outcome_is_unknown(shop: Shop) -> None:
    shop.order("O1")
    lost = Response(reset, counts=True)
    shop.harness.server.script = always(lost)
    shop.run()
    requests = len(shop.harness.server.seen)
    cancel(shop)
    shop.harness.later()
    shop.run()
    assert len(shop.harness.server.seen) == requests
    assert shop.harness.state("O1") in {"uncertain", "exhausted"}
