"""Trackdesk: who is sent, by which identifier, and what is kept of it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import pytest

from assets.providers.conversion import Conversion
from assets.providers.replies import Phase, Verdict
from support.trackdesk_account import (
    BY_COUPON,
    BY_EXTERNAL_CID,
    CID,
    COOKIE,
    answer,
    broken,
    converse,
    trackdesk,
)

MakeConversion = Callable[..., Conversion]
EXTERNAL = "trackdesk_external_cid"
NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("settings", "order", "why"),
    [
        ({}, {}, None),
        ({}, {"is_test": True}, "test_order"),
        ({}, {"tracking_consent": False}, "consent_refused"),
        ({}, {"tracking_consent": None}, None),
        ({"require_consent": True}, {"tracking_consent": None}, "no_consent"),
        ({}, {"identifiers": {}}, "no_click_id"),
        ({}, {"identifiers": {"trackdesk_external_cid": "e"}}, "no_click_id"),
        (BY_EXTERNAL_CID, {}, None),
        (BY_EXTERNAL_CID, {"identifiers": {}}, "no_external_cid"),
        (BY_EXTERNAL_CID, {"identifiers": {"trackdesk_cid": CID}}, "no_external_cid"),
        (
            BY_EXTERNAL_CID,
            {"identifiers": {"trackdesk_external_cid": "e"}},
            "no_click_id",
        ),
        (
            BY_EXTERNAL_CID,
            {"identifiers": {"trackdesk_external_cid": "e", "trackdesk_cid": "?"}},
            "unreadable_identifier",
        ),
        (
            BY_EXTERNAL_CID | {"link": False},
            {"identifiers": {"trackdesk_external_cid": "e"}},
            None,
        ),
        (BY_COUPON, {"identifiers": {}}, None),
        (BY_COUPON, {"promo_code": None}, "no_coupon"),
        (BY_COUPON, {"promo_code": ""}, "no_coupon"),
        (BY_COUPON, {"promo_code": " "}, "no_coupon"),
        (BY_COUPON | {"coupon_separator": ","}, {"promo_code": ", ,"}, "no_coupon"),
        (BY_COUPON | {"coupon_separator": ","}, {"promo_code": ",A,"}, None),
        (BY_EXTERNAL_CID, {"identifiers": {EXTERNAL: " "}}, "no_external_cid"),
        ({"channel": "csv"}, {}, None),
        ({"channel": "csv"}, {"identifiers": {}}, "no_click_id"),
        (
            BY_EXTERNAL_CID | {"channel": "csv", "link": False},
            {"identifiers": {EXTERNAL: "e"}},
            None,
        ),
        ({}, {"order_id": "-1001"}, None),
    ],
)
def test_who_is_sent(
    conversion: MakeConversion,
    settings: dict[str, Any],
    order: dict[str, Any],
    why: str | None,
) -> None:
    withheld = trackdesk(**settings).eligibility(conversion(**order), NOW)
    assert (withheld and (withheld.state, withheld.reason)) == (
        why and ("suppressed", why)
    )


@pytest.mark.parametrize(
    ("settings", "order"),
    [
        ({}, {"order_id": "-1001"}),
        ({}, {"order_id": "\uff1d1001"}),
        (BY_EXTERNAL_CID | {"link": False}, {"identifiers": {EXTERNAL: "@e"}}),
    ],
)
def test_an_id_that_a_spreadsheet_would_compute_stands_in_no_file(
    conversion: MakeConversion, settings: dict[str, Any], order: dict[str, Any]
) -> None:
    provider = trackdesk(channel="csv", **settings)
    withheld = provider.eligibility(conversion(**order), NOW)
    assert withheld
    assert (withheld.state, withheld.reason) == ("quarantined", "formula_as_id")


OTHER = COOKIE.replace("example-shop", "other-shop")


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        (CID, None),
        (CID.upper(), None),
        (quote(CID), None),
        (COOKIE, None),
        (COOKIE.replace("example-shop", "Example-Shop"), None),
        (quote(COOKIE), None),
        (quote(COOKIE, safe=""), None),
        (quote(quote(COOKIE)), None),
        (quote(quote(quote(COOKIE))), "unreadable_identifier"),
        (OTHER, "wrong_tenant"),
        (quote(quote(OTHER)), "wrong_tenant"),
        ("", "no_click_id"),
        (" ", "unreadable_identifier"),
        ("OUR_CID", "unreadable_identifier"),
        (CID + CID, "unreadable_identifier"),
        (f" {CID}", "unreadable_identifier"),
        (f"{CID}\n", "unreadable_identifier"),
        (COOKIE[:-1], "unreadable_identifier"),
        (json.dumps({"cid": CID}), "unreadable_identifier"),
        (json.dumps({"tenantId": 5, "cid": CID}), "unreadable_identifier"),
        (json.dumps({"tenantId": "example-shop"}), "unreadable_identifier"),
        (
            json.dumps({"tenantId": "example-shop", "cid": "x"}),
            "unreadable_identifier",
        ),
        (json.dumps([CID]), "unreadable_identifier"),
        ("null", "unreadable_identifier"),
        ("[" * 100_000, "unreadable_identifier"),
        ("\ud800", "unreadable_identifier"),
    ],
)
def test_what_a_stored_click_id_may_look_like(
    conversion: MakeConversion, stored: str, why: str | None
) -> None:
    order = conversion(identifiers={"trackdesk_cid": stored})
    withheld = trackdesk().eligibility(order, NOW)
    assert (withheld and withheld.reason) == why


@pytest.mark.parametrize(
    ("amount", "order", "is_held"),
    [
        ("revenue", {"revenue": Decimal("1.005")}, True),
        ("revenue", {"total": Decimal("1.005")}, False),
        ("total", {"total": Decimal("1.005")}, True),
        ("none", {"revenue": Decimal("1.005")}, False),
        ("revenue", {"revenue": Decimal("1.500"), "currency_digits": 2}, False),
    ],
)
def test_a_fraction_of_a_cent_is_quarantined(
    conversion: MakeConversion, amount: str, order: dict[str, Any], is_held: bool
) -> None:
    withheld = trackdesk(amount=amount).eligibility(conversion(**order), NOW)
    assert (withheld is not None) == is_held
    if withheld:
        assert (withheld.state, withheld.reason) == ("quarantined", "amount_precision")


def test_an_order_that_is_not_eligible_gives_no_request(
    conversion: MakeConversion,
) -> None:
    with pytest.raises(ValueError, match="not eligible: no_click_id"):
        next(trackdesk().exchange([conversion(identifiers={})]))


def test_each_order_is_its_own_batch(conversion: MakeConversion) -> None:
    orders = [conversion(order_id="1"), conversion(order_id="2")]
    assert [list(batch) for batch in trackdesk().batches(orders)] == [
        [orders[0]],
        [orders[1]],
    ]


# A type and a status for each order

PER_ORDER = {"fields": {"status": "extra.status", "conversionTypeCode": "extra.type"}}


def body_sent(order: Conversion, **settings: Any) -> Any:
    return json.loads(next(trackdesk(**settings).exchange([order])).body)


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        ("pending", "CONVERSION_STATUS_PENDING"),
        (" On_Hold ", "CONVERSION_STATUS_ON_HOLD"),
        ("CONVERSION_STATUS_TEST", "CONVERSION_STATUS_TEST"),
        ("conversion_status_refunded", "CONVERSION_STATUS_REFUNDED"),
    ],
)
def test_a_status_of_the_order_takes_precedence(
    conversion: MakeConversion, stored: str, sent: str
) -> None:
    order = conversion(extra={"status": stored, "type": "lead"})
    assert trackdesk(**PER_ORDER).eligibility(order, NOW) is None
    body = body_sent(order, status="approved", **PER_ORDER)
    assert (body["status"], body["conversionTypeCode"]) == (sent, "lead")


@pytest.mark.parametrize("nothing", [{}, {"status": " ", "type": " "}, "null"])
def test_an_order_without_them_has_those_of_the_destination(
    conversion: MakeConversion, nothing: Any
) -> None:
    extra = {"status": "null", "type": "(not set)"} if nothing == "null" else nothing
    order = conversion(extra=extra)
    body = body_sent(order, status="pending", **PER_ORDER)
    assert body["status"] == "CONVERSION_STATUS_PENDING"
    assert body["conversionTypeCode"] == "sale"
    assert "status" not in body_sent(order, **PER_ORDER)


@pytest.mark.parametrize("stored", ["paid", "CONVERSION_STATUS_", "approved!", "jane"])
def test_a_status_that_trackdesk_does_not_know_is_quarantined(
    conversion: MakeConversion, stored: str
) -> None:
    order = conversion(extra={"status": stored})
    refused = trackdesk(**PER_ORDER).eligibility(order, NOW)
    assert refused is not None
    assert (refused.state, refused.reason) == ("quarantined", "unfit_field")
    assert refused.detail.startswith("status is none of approved, pending, on_hold")
    assert stored not in refused.detail.removeprefix("status is none of approved, ")


def test_the_key_of_a_delivery_does_not_depend_on_the_type_of_the_order() -> None:
    assert trackdesk(**PER_ORDER).event == trackdesk().event == "sale"


def test_with_a_type_per_order_no_attempt_of_unknown_outcome_is_repeated(
    conversion: MakeConversion,
) -> None:
    provider = trackdesk(**PER_ORDER)
    assert not provider.resend.is_safe
    assert provider.limits.in_flight == 8
    for reply in (broken(Phase.WAITING), answer(503), answer(200, "<html>")):
        _, outcome = converse(provider.exchange([conversion()]), reply)
        assert outcome.verdict is Verdict.UNCERTAIN
    for reply in (broken(Phase.NONE), answer(429)):
        _, outcome = converse(provider.exchange([conversion()]), reply)
        assert outcome.verdict is Verdict.RETRYABLE


def test_a_status_per_order_is_no_part_of_the_key() -> None:
    assert trackdesk(fields={"status": "extra.status"}).resend.is_safe


def test_a_file_is_written_again_whatever_the_type() -> None:
    assert trackdesk(channel="csv", **PER_ORDER).resend.is_safe


def test_a_type_that_a_spreadsheet_would_compute_is_quarantined(
    conversion: MakeConversion,
) -> None:
    order = conversion(extra={"type": "=1+1"})
    refused = trackdesk(channel="csv", **PER_ORDER).eligibility(order, NOW)
    assert refused is not None
    assert (refused.reason, refused.detail) == (
        "formula_as_id",
        "conversionTypeCode begins with a sign of formulas",
    )


def test_of_a_type_with_other_characters_only_a_fingerprint_is_stored(
    conversion: MakeConversion,
) -> None:
    order = conversion(extra={"type": "Jane Doe"})
    (stored,) = next(trackdesk(**PER_ORDER).exchange([order])).stored
    assert "Jane" not in repr(stored)


# Placeholders


def issues(order: Conversion, **settings: Any) -> list[tuple[str, str]]:
    provider = trackdesk(**settings)
    return [(one.code, one.subject) for one in provider.data_issues(order)]


@pytest.mark.parametrize("nobody", ["null", "(not set)", "guest", "-1", " N/A "])
def test_a_placeholder_is_no_customer_and_is_recorded(
    conversion: MakeConversion, nobody: str
) -> None:
    fields = {"fields": {"customerId": "extra.customer", "advS1": "extra.customer"}}
    order = conversion(extra={"customer": nobody})
    assert "customerId" not in body_sent(order, **fields)
    assert issues(order, **fields) == [("placeholder_value", "customerId")]


@pytest.mark.parametrize(
    ("stored", "sent", "is_recorded"),
    [
        ("A,null,B", ["A", "B"], True),
        ("(not set), A", ["A"], True),
        ("A,,B,", ["A", "B"], False),
        ("A,A", ["A"], False),
        ("GUEST,A", ["GUEST", "A"], False),
    ],
)
def test_a_placeholder_is_no_coupon_and_is_recorded(
    conversion: MakeConversion, stored: str, sent: list[str], is_recorded: bool
) -> None:
    account = BY_COUPON | {"coupon_separator": ","}
    order = conversion(promo_code=stored)
    assert body_sent(order, **account)["couponCodes"] == sent
    found = [("placeholder_value", "couponCodes")] if is_recorded else []
    assert issues(order, **account) == found


def test_placeholders_of_type_and_status_are_recorded(
    conversion: MakeConversion,
) -> None:
    order = conversion(extra={"status": "none", "type": "null"})
    assert issues(order, **PER_ORDER) == [
        ("placeholder_value", "conversionTypeCode"),
        ("placeholder_value", "status"),
    ]


def test_another_identifier_looks_at_no_coupon(conversion: MakeConversion) -> None:
    assert issues(conversion(promo_code="null")) == []


# What is stored


def test_what_is_stored_of_a_request(conversion: MakeConversion) -> None:
    request = next(trackdesk().exchange([conversion()]))
    assert request.path_template == "/tracking/conversion/v1"
    assert request.stored == (
        {
            "order_id": "O1234567",
            "conversion_type_code": "sale",
            "cid": CID,
            "amount": "112.00",
            "currency": "USD",
        },
    )


def test_an_external_cid_is_stored_as_a_hash(conversion: MakeConversion) -> None:
    provider = trackdesk(**BY_EXTERNAL_CID)
    (link, sale), _ = converse(
        provider.exchange([conversion()]), answer(200), answer(200)
    )
    hashed = "sha256:3060af73e827"
    assert link.path_template == "/tracking/external-cid/v1"
    assert link.stored == (
        {"order_id": "O1234567", "cid": CID, "external_cid": hashed},
    )
    assert sale.stored[0]["external_cid"] == hashed
    assert "cid" not in sale.stored[0]


def test_who_the_customer_is_is_stored_as_a_hash(conversion: MakeConversion) -> None:
    provider = trackdesk(
        **BY_COUPON,
        status="pending",
        fields={"customerId": "customer_id", "advS1": "customer_city"},
    )
    order = conversion(customer_id="c-1001", customer_city="Springfield")
    (stored,) = next(provider.exchange([order])).stored
    assert stored == {
        "order_id": "O1234567",
        "conversion_type_code": "sale",
        "coupons": ["15BUCKSOFF"],
        "customer": "sha256:" + sha256(b"c-1001").hexdigest()[:12],
        "status": "CONVERSION_STATUS_PENDING",
        "amount": "112.00",
        "currency": "USD",
    }


def test_a_row_of_the_import_is_stored_without_its_cells(
    conversion: MakeConversion,
) -> None:
    provider = trackdesk(channel="csv", fields={"advS1": "customer_city"})
    (stored,) = next(
        provider.exchange([conversion(customer_city="Springfield")])
    ).stored
    assert "Springfield" not in str(stored)
