"""Fault matrix, rows 65 and 66: why an order is suppressed, and with what evidence."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from assets.ledger.tables import data_issue
from support.engine import NEVER
from support.raw_server import always, respond
from support.shop import BEFORE, NOON
from support.shop_destinations import CID, cancel, use

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.harness import MakeHarness
    from support.shop import Shop

OWN = pytest.mark.parametrize("policy", [NEVER], indirect=True, ids=["own"])
AFTER = NOON + timedelta(seconds=1)
AT = "2026-01-02T12:00:00Z"


@dataclass
class Case:
    """An order of one destination, what is stored beside it, and what becomes of it."""

    provider: str
    reason: str
    evidence: str
    settings: dict[str, Any] = field(default_factory=dict)
    order: dict[str, Any] = field(default_factory=dict)
    identifiers: Mapping[str, str] = field(default_factory=dict)
    captured_at: Any = BEFORE
    seen: tuple[str, ...] = ()
    days: int = 0


CASES = {
    "switched off": Case(
        "impact",
        "destination_disabled",
        "enabled is false",
        settings={"enabled": False},
    ),
    "a test": Case(
        "trackdesk", "test_order", "is_test is true", order={"is_test": True}
    ),
    "consent refused": Case(
        "impact",
        "consent_refused",
        "tracking_consent is false",
        order={"tracking_consent": False},
    ),
    "consent unknown": Case(
        "idme",
        "no_consent",
        "tracking_consent is null",
        order={"tracking_consent": None},
    ),
    "too old": Case(
        "impact",
        "too_old",
        f"completed {AT}, taken for 5 days",
        settings={"max_age_days": 5},
        days=6,
    ),
    "free": Case(
        "trackdesk",
        "zero_amount",
        "revenue is 0",
        settings={"zero_amount": "suppress"},
        order={"amount": 0},
        identifiers={"trackdesk_cid": CID},
    ),
    "another currency": Case(
        "convert",
        "currency_not_taken",
        "currency EUR, taken USD",
        order={"currency": "EUR"},
    ),
    "none of several currencies": Case(
        "impact",
        "currency_not_taken",
        "currency GBP, taken EUR, USD",
        settings={"currencies": ["USD", "EUR"]},
        order={"currency": "GBP"},
        identifiers={"impact_click_id": "clk-77"},
    ),
    "a click after the order": Case(
        "impact",
        "no_click_id",
        f"none stored up to {AT} of: click_id",
        identifiers={"impact_click_id": "clk-77"},
        captured_at=AFTER,
    ),
    "no cid": Case(
        "trackdesk", "no_click_id", f"none stored up to {AT} of: trackdesk_cid"
    ),
    "no cookie": Case(
        "trackdesk",
        "unreadable_identifier",
        "trackdesk_cid is neither a cid nor a cookie of Trackdesk",
        identifiers={"trackdesk_cid": "what-was-stored"},
    ),
    "a cookie of another tenant": Case(
        "trackdesk",
        "wrong_tenant",
        "trackdesk_cid is of another tenant than demo",
        identifiers={"trackdesk_cid": f'{{"tenantId": "theirs", "cid": "{CID}"}}'},
    ),
    "no external cid": Case(
        "trackdesk",
        "no_external_cid",
        f"none stored up to {AT} of: trackdesk_external_cid",
        settings={"identify_by": "external_cid", "revenue_origin_id": CID},
        identifiers={"trackdesk_cid": CID},
    ),
    "no coupon": Case(
        "trackdesk",
        "no_coupon",
        "promo_code is null or names no coupon",
        settings={"identify_by": "coupon", "revenue_origin_id": CID},
    ),
    "nobody": Case(
        "convert",
        "no_visitor_id",
        f"none stored up to {AT} of: convert_visitor_id, visitor_id",
        order={"visitor_id": None},
    ),
    "in no experience": Case(
        "convert", "no_bucketing", f"none stored up to {AT} of: exposures"
    ),
    "in two variations": Case(
        "convert",
        "no_bucketing",
        "seen in two variations: 100",
        seen=("a", "b"),
    ),
    "a click that stands for none": Case(
        "impact",
        "no_click_id",
        f"none stored up to {AT} of: click_id",
        identifiers={"impact_click_id": "undefined"},
    ),
    "a profile that is personal": Case(
        "impact",
        "unfit_identifier",
        f"a refused row up to {AT} may count: custom_profile_id (pii_as_id)",
        identifiers={"impact_click_id": "clk-77", "custom_profile_id": "j@example.org"},
    ),
    "a cid that is personal": Case(
        "trackdesk",
        "unfit_identifier",
        f"a refused row up to {AT} may count: trackdesk_cid (pii_as_id)",
        identifiers={"trackdesk_cid": "jane@example.org"},
    ),
    "an external cid that stands for none": Case(
        "trackdesk",
        "no_external_cid",
        f"none stored up to {AT} of: trackdesk_external_cid",
        settings={"identify_by": "external_cid", "revenue_origin_id": CID},
        identifiers={"trackdesk_cid": CID, "trackdesk_external_cid": "(not set)"},
    ),
    "a visitor who is personal": Case(
        "convert",
        "unfit_identifier",
        f"a refused row up to {AT} may count: convert_visitor_id (pii_as_id)",
        identifiers={"convert_visitor_id": "jane@example.org"},
        seen=("a",),
    ),
    "a tracking id that stands for none": Case(
        "idme",
        "no_tracking_id",
        f"none stored up to {AT} of: idme_conversion_tracking_id",
        identifiers={"idme_conversion_tracking_id": "null"},
    ),
    "in a variation nobody knows": Case(
        "convert", "no_bucketing", "exposures refused: 100", seen=("a", " ")
    ),
    "no tracking id": Case(
        "idme",
        "no_tracking_id",
        f"none stored up to {AT} of: idme_conversion_tracking_id",
    ),
}


def see(shop: Shop, *variations: str) -> None:
    for variation in variations:
        shop.add(
            "visitor_bucketing",
            visitor_id="v-1",
            experience_id="100",
            variation_id=variation,
            bucketed_at=BEFORE,
        )


def suppressed(shop: Shop) -> list[tuple[Any, ...]]:
    """What an analyst reads of it."""
    with shop.harness.database.read() as connection:
        found = connection.exec_driver_sql(
            "select order_id, state, reason, evidence from v_withheld order by order_id"
        )
        return [tuple(row) for row in found]


@pytest.mark.sampled(4)
@OWN
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_65_a_suppressed_order_has_its_rule_and_its_evidence(
    shop: Shop, make_harness: MakeHarness, make_impact: MakeHarness, case: Case
) -> None:
    use(shop, case.provider, make_harness, make_impact, **case.settings)
    shop.order("O1", **case.order)
    for kind, value in case.identifiers.items():
        known = {"visitor_id": "v-1", "captured_at": case.captured_at}
        shop.add("visitor_identifiers", kind=kind, value=value, **known)
    see(shop, *case.seen)
    shop.harness.clock.pass_by(days=case.days)
    shop.run()
    assert suppressed(shop) == [("O1", "suppressed", case.reason, case.evidence)]
    before = shop.harness.rows()
    shop.harness.clock.pass_by(days=1)
    assert shop.run().requests == 0
    assert shop.harness.rows() == before
    kept = str(before)
    assert [one for one in case.identifiers.values() if one in kept] == []
    assert shop.harness.server.seen == []


@OWN
def test_65_of_a_visitors_orders_the_first_one_is_named(
    shop: Shop, make_harness: MakeHarness, make_impact: MakeHarness
) -> None:
    use(shop, "convert", make_harness, make_impact, first_order_only=True)
    shop.order("O1", completed_at=NOON - timedelta(minutes=1))
    shop.order("O2")
    see(shop, "a")
    shop.run()
    said = "order O1 of the same visitor is reported first"
    assert suppressed(shop) == [("O2", "suppressed", "not_first_order", said)]
    assert shop.harness.server.log.orders == ["O1"]


@pytest.mark.long
@OWN
def test_65_late_facts_replace_the_evidence_and_make_the_order_eligible(
    shop: Shop, make_harness: MakeHarness, make_impact: MakeHarness
) -> None:
    use(shop, "convert", make_harness, make_impact)
    answers = shop.harness.server.script
    shop.order("O1", tracking_consent=None)
    shop.run()
    held = ("O1", "suppressed", "no_consent", "tracking_consent is null")
    assert suppressed(shop) == [held]

    shop.execute("update completed_orders set tracking_consent = true")
    shop.run()
    said = f"none stored up to {AT} of: exposures"
    assert suppressed(shop) == [("O1", "suppressed", "no_bucketing", said)]

    see(shop, "a")
    shop.harness.server.script = always(respond(401, "", "configuration"))
    shop.run()
    assert (shop.harness.states(), suppressed(shop)) == ({"O1": "pending"}, [])

    shop.harness.server.script = answers
    shop.harness.later()
    shop.run()
    assert shop.harness.states() == {"O1": "accepted"}
    row = shop.harness.row("O1")
    assert (row["state_reason"], row["state_detail"]) == (None, None)
    assert shop.harness.server.log.counted == {"O1": 1}
    shop.check({"O1": (1000, "USD")})


@pytest.mark.long
@OWN
@pytest.mark.parametrize("bound_to", ["order_id", "visitor_id"])
def test_65_a_late_click_makes_the_order_eligible(
    shop: Shop, make_harness: MakeHarness, make_impact: MakeHarness, bound_to: str
) -> None:
    use(shop, "trackdesk", make_harness, make_impact)
    shop.order("O1")
    shop.run()
    assert [row[2] for row in suppressed(shop)] == ["no_click_id"]
    owner = {"order_id": "O1", "visitor_id": "v-1"}[bound_to]
    known = {bound_to: owner, "kind": "trackdesk_cid", "captured_at": BEFORE}
    shop.add("visitor_identifiers", value="no cookie at all", **known)
    shop.run()
    assert [row[2] for row in suppressed(shop)] == ["unreadable_identifier"]
    later = known | {"captured_at": NOON}
    shop.add("visitor_identifiers", value=CID, **later)
    shop.run()
    assert (shop.harness.states(), suppressed(shop)) == ({"O1": "accepted"}, [])
    shop.check({"O1": (1000, "USD")})


@OWN
def test_65_consent_withdrawn_before_the_send_suppresses_the_order(
    shop: Shop, make_harness: MakeHarness, make_impact: MakeHarness
) -> None:
    use(shop, "trackdesk", make_harness, make_impact)
    shop.harness.server.script = always(respond(401, "", "configuration"))
    shop.order("O1")
    known = {"visitor_id": "v-1", "kind": "trackdesk_cid", "captured_at": BEFORE}
    shop.add("visitor_identifiers", value=CID, **known)
    shop.run()
    assert shop.harness.states() == {"O1": "pending"}
    shop.execute("update completed_orders set tracking_consent = false")
    shop.harness.later()
    shop.run()
    said = "tracking_consent is false"
    assert suppressed(shop) == [("O1", "suppressed", "consent_refused", said)]


NIGHT = datetime(2026, 11, 1, tzinfo=ZoneInfo("America/New_York"))
"""The clock shows every minute from one to two twice."""


def local(day: int, hour: int, minute: int = 0) -> datetime:
    """A time as a warehouse without zones keeps it."""
    return datetime(2026, NIGHT.month, day, hour, minute)  # noqa: DTZ001


def click_twice(shop: Shop) -> None:
    """An order at ten; partner A long before, partner B at an uncertain time."""
    times = ("completed_at", "captured_at", "bucketed_at")
    shop.retype(**dict.fromkeys(times, "timestamp"))
    shop.naive_zone, shop.key = str(NIGHT.tzinfo), f"{NIGHT:%Y-%m-%d}"
    shop.window = (NIGHT.astimezone(UTC), (NIGHT + timedelta(days=1)).astimezone(UTC))
    shop.harness.clock.now = shop.window[1]
    shop.order("O1", completed_at=local(1, 10))
    owner = {"visitor_id": "v-1", "kind": "impact_click_id"}
    first = NIGHT.replace(tzinfo=None) - timedelta(days=10)
    shop.add("visitor_identifiers", **owner, value="PARTNER-A", captured_at=first)
    at = local(1, 1, 30)
    shop.add("visitor_identifiers", **owner, value="PARTNER-B", captured_at=at)


@pytest.mark.long
@OWN
def test_65_an_unreadable_last_click_earns_no_commission(
    shop: Shop, make_harness: MakeHarness, make_impact: MakeHarness
) -> None:
    use(shop, "impact", make_harness, make_impact)
    click_twice(shop)
    shop.run()
    said = (
        "a refused row up to 2026-11-01T15:00:00Z may count: "
        "impact_click_id (ambiguous_time)"
    )
    assert suppressed(shop) == [("O1", "suppressed", "unfit_identifier", said)]
    (doubt,) = shop.harness.rows(data_issue)
    assert (doubt["order_id"], doubt["code"]) == ("O1", "unfit_identifier")
    assert (doubt["subject"], doubt["detail"]) == ("impact_click_id", "ambiguous_time")
    assert shop.harness.server.seen == []

    shop.execute(
        "update visitor_identifiers set captured_at = :at where value = 'PARTNER-B'",
        at=local(1, 2, 30),
    )
    shop.harness.later()
    shop.run()
    assert (shop.harness.states(), suppressed(shop)) == ({"O1": "queued"}, [])
    (posted,) = shop.harness.server.seen
    assert b"ClickId=PARTNER-B" in posted
    assert b"PARTNER-A" not in posted


@pytest.mark.sampled(1)
@OWN
@pytest.mark.parametrize("owner", [{"visitor_id": "v-1"}, {"order_id": "O1"}])
def test_65_a_click_without_a_time_may_have_been_the_last(
    shop: Shop,
    make_harness: MakeHarness,
    make_impact: MakeHarness,
    owner: dict[str, str],
) -> None:
    use(shop, "trackdesk", make_harness, make_impact)
    shop.order("O1")
    for at in (BEFORE, None):
        known = {"kind": "trackdesk_cid", "value": CID, "captured_at": at}
        shop.add("visitor_identifiers", **owner, **known)
    shop.run()
    missing = "(missing_captured_at)"
    said = f"a refused row up to {AT} may count: trackdesk_cid {missing}"
    assert suppressed(shop) == [("O1", "suppressed", "unfit_identifier", said)]


@OWN
def test_65_an_exposure_without_a_time_may_have_been_the_first(
    shop: Shop, make_harness: MakeHarness, make_impact: MakeHarness
) -> None:
    use(shop, "convert", make_harness, make_impact)
    shop.order("O1")
    see(shop, "a", "b")
    shop.execute(
        "update visitor_bucketing set bucketed_at = null where variation_id = 'b'"
    )
    shop.run()
    assert suppressed(shop) == [
        ("O1", "suppressed", "no_bucketing", "exposures refused: 100")
    ]


@OWN
def test_65_a_click_that_another_visitor_bound_to_the_order_is_ignored(
    shop: Shop, make_harness: MakeHarness, make_impact: MakeHarness
) -> None:
    use(shop, "trackdesk", make_harness, make_impact)
    shop.order("O1")
    known = {"kind": "trackdesk_cid", "value": CID, "captured_at": BEFORE}
    shop.add("visitor_identifiers", order_id="O1", visitor_id="v-2", **known)
    shop.run()
    said = f"a refused row up to {AT} may count: trackdesk_cid (other_visitor)"
    assert suppressed(shop) == [("O1", "suppressed", "unfit_identifier", said)]
    shop.execute("update visitor_identifiers set visitor_id = 'v-1'")
    shop.run()
    assert (shop.harness.states(), suppressed(shop)) == ({"O1": "accepted"}, [])


@OWN
def test_65_visitors_of_no_known_id_do_not_share_a_click(
    shop: Shop, make_harness: MakeHarness, make_impact: MakeHarness
) -> None:
    use(shop, "trackdesk", make_harness, make_impact)
    shop.order("O1", visitor_id="undefined")
    shop.order("O2", visitor_id="undefined")
    known = {"kind": "trackdesk_cid", "value": CID, "captured_at": BEFORE}
    shop.add("visitor_identifiers", visitor_id="undefined", **known)
    shop.run()
    assert shop.harness.states() == dict.fromkeys(("O1", "O2"), "suppressed")
    assert [row[2] for row in suppressed(shop)] == ["no_click_id"] * 2
    assert shop.harness.server.seen == []


HELD = {
    "a click but no answer": ({}, "pending"),
    "no click": ({}, "suppressed"),
    "an unknown currency": ({"currency": "ZZZ"}, "quarantined"),
}


@pytest.mark.long
@OWN
@pytest.mark.parametrize(("changes", "state"), HELD.values(), ids=HELD)
def test_66_an_order_cancelled_before_it_was_sent_is_missing_from_the_source(
    shop: Shop,
    make_harness: MakeHarness,
    make_impact: MakeHarness,
    changes: dict[str, Any],
    state: str,
) -> None:
    """Only completed orders are read: what was cancelled is no longer among them."""
    use(shop, "trackdesk", make_harness, make_impact)
    answers = shop.harness.server.script
    shop.harness.server.script = always(respond(401, "", "configuration"))
    shop.order("O1", **changes)
    shop.order("O2", visitor_id="v-2")
    if state == "pending":
        known = {"visitor_id": "v-1", "kind": "trackdesk_cid", "captured_at": BEFORE}
        shop.add("visitor_identifiers", value=CID, **known)
    shop.run()
    assert shop.harness.states() == {"O1": state, "O2": "suppressed"}
    cancel(shop)
    shop.harness.server.script = answers
    shop.harness.later()
    shop.run()
    said = "the source returns no such order for 2026-01-02"
    assert suppressed(shop)[0] == ("O1", "suppressed", "order_gone", said)
    before = shop.harness.rows()
    shop.harness.later()
    shop.run()
    assert shop.harness.rows() == before
    with shop.harness.database.read() as connection:
        found = connection.exec_driver_sql("select orders, never_seen from v_reconcile")
        assert found.all() == [(1, 0)]
    shop.order("O1")
    shop.run()
    assert shop.harness.states()["O1"] == (
        "accepted" if state == "pending" else "suppressed"
    )
    assert "order_gone" not in {row[2] for row in suppressed(shop)}
