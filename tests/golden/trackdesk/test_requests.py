"""What Trackdesk is sent, byte for byte (manual, sections 2 and 3; trackdesk.md 3)."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from assets.providers.base import Request
from assets.providers.conversion import Conversion
from assets.providers.replies import Phase, Reply
from assets.transport.csv_outbox import CsvOutbox
from support.exchanges import requests_of
from support.project import TESTS
from support.trackdesk_account import (
    BY_COUPON,
    BY_EXTERNAL_CID,
    CID,
    COOKIE,
    ORIGIN,
    trackdesk,
)

MakeConversion = Callable[..., Conversion]
Golden = Callable[[str, list[Request]], None]

EXTERNAL = "trackdesk_external_cid"
CLICK = {"trackdesk_cid": CID}
EVERY_FIELD = {
    "customerId": "customer_id",
    "advS1": "affiliation",
    "advS2": "customer_status",
    "advS3": "extra.store_code",
    "advS4": "shipping",
    "advS5": "is_test",
}

ORDERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # By click id: settings, changes of the guide's order.
    "fixed_amount": ({"amount": "none"}, {}),
    "revenue_share": ({}, {}),
    "total_amount": ({"amount": "total", "send_currency": False}, {}),
    "total_with_currency": ({"amount": "total"}, {}),
    "no_currency": ({"send_currency": False}, {}),
    "free_order": ({}, {"revenue": Decimal("0.00"), "total": Decimal("0.00")}),
    "jpy": (
        {},
        {"currency": "JPY", "currency_digits": 0, "revenue": Decimal("16800.00")},
    ),
    "kwd": (
        {},
        {"currency": "KWD", "currency_digits": 3, "revenue": Decimal("34.5")},
    ),
    "large_amount": ({}, {"revenue": Decimal("99999999999999.99")}),
    "another_conversion_type": ({"conversion_type_code": "signup"}, {}),
    "revenue_origin_of_a_network": ({"revenue_origin_id": ORIGIN}, {}),
    "status_pending": ({"status": "pending"}, {}),
    "status_test": ({"status": "test", "amount": "none"}, {}),
    "api_key": ({"api_key": "personal-token"}, {}),
    # As warehouses hold it.
    "cookie_json": ({}, {"identifiers": {"trackdesk_cid": COOKIE}}),
    "cookie_encoded_once": ({}, {"identifiers": {"trackdesk_cid": quote(COOKIE)}}),
    "percent_encoded_cookie": (
        {},
        {"identifiers": {"trackdesk_cid": quote(quote(COOKIE))}},
    ),
    "upper_case_cid": ({}, {"identifiers": {"trackdesk_cid": CID.upper()}}),
    # What may be mapped.
    "every_mapped_field": (
        {"fields": EVERY_FIELD},
        {"affiliation": "Web", "extra": {"store_code": "B-77"}},
    ),
    "mapped_fields_that_are_empty": (
        {"fields": EVERY_FIELD},
        {"customer_id": None, "customer_status": None, "extra": {"store_code": " "}},
    ),
    "type_and_status_of_an_order": (
        {
            "status": "approved",
            "fields": {"status": "extra.status", "conversionTypeCode": "extra.type"},
        },
        {"extra": {"status": "on_hold", "type": "lead"}},
    ),
    "one_custom_parameter": ({"fields": {"advS5": "customer_status"}}, {}),
    # Awkward values.
    "unicode": (
        {"fields": {"advS1": "affiliation"}},
        {"order_id": "Bestellung-ÄÖ-🛒", "affiliation": "カフェ «Zoë» \u202e"},
    ),
    "text_that_looks_like_code": (
        {"fields": {"advS1": "affiliation"}},
        {"order_id": '=HYPERLINK("x")', "affiliation": "'; drop table; --\r\n\t\\"},
    ),
    "very_long_values": (
        {"fields": {"customerId": "customer_id", "advS1": "affiliation"}},
        {"order_id": "9" * 128, "customer_id": "c" * 128, "affiliation": "x" * 600},
    ),
    "missing_optionals": (
        {"fields": EVERY_FIELD},
        {
            "identifiers": CLICK,
            "visitor_id": None,
            "customer_id": None,
            "promo_code": None,
            "customer_status": None,
            "segments": None,
            "bucketing": {},
            "items": (),
        },
    ),
    # By external cid.
    "external_cid_two_steps": (BY_EXTERNAL_CID, {}),
    "external_cid_fixed_amount": (BY_EXTERNAL_CID | {"amount": "none"}, {}),
    "external_cid_with_everything": (
        BY_EXTERNAL_CID
        | {"fields": EVERY_FIELD, "status": "on_hold", "api_key": "personal-token"},
        {"affiliation": "Web", "extra": {"store_code": "B-77"}},
    ),
    "external_cid_of_a_cookie": (
        BY_EXTERNAL_CID,
        {"identifiers": {EXTERNAL: "ext-77", "trackdesk_cid": quote(COOKIE)}},
    ),
    "external_cid_that_the_site_links": (
        BY_EXTERNAL_CID | {"link": False},
        {"identifiers": {EXTERNAL: "ext-77"}},
    ),
    "external_cid_by_the_path_of_the_manual": (
        BY_EXTERNAL_CID | {"external_cid_conversion_path": "/tracking/external-cid/v1"},
        {},
    ),
    "external_cid_unicode": (
        BY_EXTERNAL_CID,
        {"identifiers": {EXTERNAL: "kundin-Ä/7", "trackdesk_cid": CID}},
    ),
    # By coupon.
    "coupon": (BY_COUPON, {}),
    "coupon_fixed_amount": (BY_COUPON | {"amount": "none"}, {"identifiers": {}}),
    "several_coupons": (
        BY_COUPON | {"coupon_separator": ","},
        {"promo_code": "15BUCKSOFF, FREESHIP,,15BUCKSOFF"},
    ),
    "coupon_with_a_comma": (BY_COUPON, {"promo_code": "A,B"}),
    # Rows of the import.
    "csv_by_cid": ({"channel": "csv"}, {}),
    "csv_by_external_cid": (BY_EXTERNAL_CID | {"channel": "csv", "link": False}, {}),
    "csv_with_everything": (
        {
            "channel": "csv",
            "revenue_origin_id": ORIGIN,
            "status": "approved",
            "fields": EVERY_FIELD,
        },
        {"affiliation": "Web", "extra": {"store_code": "B-77"}},
    ),
    "csv_fixed_amount": ({"channel": "csv", "amount": "none"}, {}),
    "csv_with_other_headers": (
        {"channel": "csv", "csv_headers": {"External ID": "external_id"}},
        {},
    ),
}


def sent(provider: Any, order: Conversion) -> list[Request]:
    taken = Reply(phase=Phase.DONE, status=200)
    return requests_of(provider.exchange([order]), [taken, taken])


@pytest.mark.parametrize("name", ORDERS)
def test_the_requests_of(conversion: MakeConversion, golden: Golden, name: str) -> None:
    settings, changes = ORDERS[name]
    golden(f"trackdesk/{name}", sent(trackdesk(**settings), conversion(**changes)))


def test_the_request_of_a_pair_that_is_linked_already(
    conversion: MakeConversion, golden: Golden
) -> None:
    provider, order = trackdesk(**BY_EXTERNAL_CID), conversion()
    (key,) = provider.relevant_keys(order)
    known = replace(order, remembered={key.digest: "O1"})
    golden("trackdesk/external_cid_linked_before", sent(provider, known))


def test_every_file_has_its_order() -> None:

    files = {file.stem for file in TESTS.glob("golden/trackdesk/*.txt")}
    assert files == {*ORDERS, "external_cid_linked_before"}


IMPORTED = ("csv_by_cid", "csv_with_everything", "csv_fixed_amount")


def test_the_file_of_the_import(
    conversion: MakeConversion, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    outbox = CsvOutbox(tmp_path / "day.csv")
    for number, name in enumerate(IMPORTED):
        settings, changes = ORDERS[name]
        order = conversion(**changes, order_id=f"=O{number}, first")
        outbox.send(next(trackdesk(**settings).exchange([order])))
    outbox.close()
    file = TESTS / "golden" / "trackdesk" / "import.csv"
    if pytestconfig.getoption("--update-golden"):
        file.write_bytes(outbox.file.read_bytes())
    assert outbox.file.read_bytes() == file.read_bytes()
