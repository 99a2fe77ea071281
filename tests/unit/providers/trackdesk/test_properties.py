"""Trackdesk: whatever a valid order holds, no rule of the documents is broken.

The sandbox has read the same documents for itself: it takes every request.
"""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from assets import money
from assets.providers.base import Request
from assets.providers.conversion import Conversion
from assets.providers.trackdesk.provider import Trackdesk
from assets.providers.trackdesk.settings import CSV_COLUMNS
from pipelines.sandbox.simulator import Sandbox
from support.examples import examples
from support.guide_order import make_conversion
from support.trackdesk_account import ORIGIN, REQUIRED, answer, trackdesk

LOOPBACK = "http://127.0.0.1:1"
WORDS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1
).filter(lambda text: bool(text.strip()))
CURRENCIES = st.sampled_from(["USD", "EUR", "JPY", "KWD", "CLF"])
FIRST = datetime(2000, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(0, 10**9).map(lambda seconds: FIRST + timedelta(seconds=seconds))
STATUSES = ("approved", "pending", "on_hold", "rejected", "refunded", "test")


@st.composite
def configured(draw: st.DrawFn) -> dict[str, Any]:
    """Settings that pass the model."""
    identify_by = draw(st.sampled_from(["cid", "external_cid", "coupon"]))
    channel = (
        "api" if identify_by == "coupon" else draw(st.sampled_from(["api", "csv"]))
    )
    chosen: dict[str, Any] = {
        "identify_by": identify_by,
        "channel": channel,
        "link": channel == "api" and draw(st.booleans()),
        "amount": draw(st.sampled_from(["revenue", "total", "none"])),
        "send_currency": draw(st.booleans()),
        "status": draw(st.none() | st.sampled_from(STATUSES)),
        "coupon_separator": draw(st.sampled_from([None, ",", " "])),
        "fields": draw(
            st.dictionaries(
                st.sampled_from(["customerId", *(f"advS{n}" for n in range(1, 6))]),
                st.sampled_from(["customer_id", "extra.note", "total", "is_test"]),
            )
        ),
    }
    if identify_by != "cid" or draw(st.booleans()):
        chosen["revenue_origin_id"] = ORIGIN
    return chosen


@st.composite
def cookies(draw: st.DrawFn) -> str:
    """A click id as warehouses hold it."""
    cid = str(draw(st.uuids()))
    if draw(st.booleans()):
        return cid
    text = json.dumps({"tenantId": REQUIRED["tenant_id"], "cid": cid})
    for _ in range(draw(st.integers(0, 2))):
        text = quote(text)
    return text


@st.composite
def orders(draw: st.DrawFn) -> Conversion:
    """An order that passed validation."""
    currency = draw(CURRENCIES)
    digits = money.minor_digits(currency)
    amounts = st.integers(0, 10**13).map(lambda minor: money.from_minor(minor, digits))
    return make_conversion(
        order_id=draw(WORDS.filter(lambda one: len(one) <= 128)),
        completed_at=draw(INSTANTS),
        currency=currency,
        currency_digits=digits,
        revenue=draw(amounts),
        total=draw(amounts),
        customer_id=draw(st.none() | WORDS),
        promo_code=draw(st.none() | WORDS),
        identifiers={
            "trackdesk_cid": draw(cookies()),
            "trackdesk_external_cid": draw(WORDS),
        },
        extra=draw(st.dictionaries(st.just("note"), st.text())),
    )


def requests_for(provider: Trackdesk, order: Conversion) -> list[Request]:
    """Every request about an order; each is answered with a success."""
    exchange = provider.exchange([order])
    made = [next(exchange)]
    while True:
        try:
            made.append(exchange.send(answer(200)))
        except StopIteration:
            return made


@settings(derandomize=True, max_examples=examples(300), deadline=None)
@given(chosen=configured(), order=orders())
def test_no_request_breaks_a_rule_and_the_sandbox_takes_it(
    chosen: dict[str, Any], order: Conversion
) -> None:
    provider = trackdesk(**chosen, base_url=f"{LOOPBACK}/trackdesk/acme")
    withheld = provider.eligibility(order, order.completed_at + timedelta(days=1))
    if withheld:
        allowed = {"no_coupon"} if chosen["identify_by"] == "coupon" else set()
        allowed |= {"formula_as_id"} if chosen["channel"] == "csv" else set()
        assert withheld.reason in allowed
        return
    made = requests_for(provider, order)
    if chosen["channel"] == "csv":
        check_row(json.loads(made[0].body), order)
        return
    sandbox = Sandbox()
    for request in made:
        headers = {name.lower(): value for name, value in request.headers.items()}
        target = request.url.removeprefix(LOOPBACK)
        if chosen["identify_by"] == "external_cid" and not chosen["link"]:
            link_on_the_site(sandbox, order, request)
        found = sandbox.receive(request.method, target, headers, request.body)
        assert (found.reply.status, found.reply.body) == (200, {"status": "ok"})
    assert sandbox.effects("trackdesk", "acme") == {order.order_id: 1}
    check_body(json.loads(made[-1].body), chosen, order)
    assert provider.payload(order) == made[-1].body


def link_on_the_site(sandbox: Sandbox, order: Conversion, request: Request) -> None:
    body = json.loads(request.body)
    link = {name: body[name] for name in ("externalCid", "revenueOriginId")}
    sandbox.receive(
        "POST",
        "/trackdesk/acme/tracking/external-cid/v1",
        {"content-type": "application/json"},
        json.dumps(link | {"cid": ORIGIN}).encode(),
    )


def check_body(body: dict[str, Any], chosen: dict[str, Any], order: Conversion) -> None:
    assert len({"cid", "externalCid", "couponCodes"} & set(body)) == 1
    assert body["externalId"] == order.order_id
    if "cid" in body:
        assert str(UUID(body["cid"])) == body["cid"].lower()
    if chosen["amount"] == "none":
        assert not {"amount", "currency"} & set(body)
    else:
        value = body["amount"]["value"]
        assert isinstance(value, str)
        assert Decimal(value) == getattr(order, chosen["amount"])
        assert "E" not in value
    assert all(value.strip() for value in body.get("customParams", {}).values())


def check_row(row: dict[str, Any], order: Conversion) -> None:
    assert row["External ID"] == order.order_id
    assert len({"CID", "External CID"} & set(row)) == 1
    assert list(row) == [name for name in CSV_COLUMNS if name in row]
    at = datetime.fromisoformat(row["Created at"])
    assert at == order.completed_at
    assert all(isinstance(cell, str) for cell in row.values())
