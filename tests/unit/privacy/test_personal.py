"""What is personal never leaves, wherever it stands; what is not is never stopped."""

import json
import random
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from time import process_time
from typing import Any
from urllib.parse import unquote_plus, urlencode

import pytest
from pydantic import ValidationError

from assets.privacy.personal import (
    PersonalDataError,
    refuse_personal,
)
from assets.privacy.personal_columns import is_personal_column
from assets.privacy.phone_numbers import PHONE, PHONE_AS_ORDER_ID
from assets.providers.base import Provider
from assets.providers.conversion import Conversion, Item, Segments
from assets.providers.impact.mapping import ITEM_COLUMNS
from assets.providers.registry import REGISTRY, make_provider
from assets.providers.settings import MAPPABLE
from support.examples import examples
from support.personal_samples import (
    ADDRESSES,
    CARDS,
    CLEAN,
    CONTEXTS,
    PHONES,
    personal_sample,
    spell,
)

FUZZED = examples(10_000)

ACCOUNTS: dict[str, dict[str, Any]] = {
    "impact": {
        "account_sid": "SID1",
        "auth_token": "token",
        "campaign_id": 1,
        "event_type_id": 2,
        "fields": {"Text1": "extra.note", "CustomerCity": "customer_city"},
    },
    "convert": {
        "account_id": "1001",
        "project_id": "2002",
        "goal_id": "3003",
        "currency": "USD",
    },
    "trackdesk": {"tenant_id": "shop", "conversion_type_code": "sale"},
    "idme": {"app_id": "app"},
}


def provider(name: str) -> Provider:
    model = REGISTRY[name].settings
    return make_provider(model.model_validate({"provider": name, **ACCOUNTS[name]}))


PROVIDERS = {name: provider(name) for name in REGISTRY}

PLACES = ("name", "brand", "category", "promo_code", "note", "city", "campaign")


def conversion(dice: random.Random) -> Conversion:
    """An order of which every text is one that shops really have."""
    texts = [dice.choice(CLEAN) for _ in PLACES]
    name, brand, category, promo_code, note, city, campaign = texts
    price = Decimal(dice.randrange(1, 100_000)) / 100
    item = Item(
        line_no=1,
        sku=dice.choice(["SKU-1", "555-123-4567", "0049 170 1234567"]),
        name=name,
        brand=brand,
        category=category,
        quantity=Decimal(1),
        unit_price=price,
        subtotal=price,
        discount=Decimal(0),
    )
    return Conversion(
        order_id=dice.choice(["O-1", "555-123-4567", "112-1234567-1234567"]),
        completed_at=datetime(2026, 11, 20, 7, 55, tzinfo=UTC),
        currency="USD",
        currency_digits=2,
        total=price,
        revenue=price,
        discount=Decimal(0),
        shipping=Decimal(0),
        tax=Decimal(0),
        items=(item,),
        visitor_id="1234567890.1234567890",
        customer_id="c-77",
        promo_code=promo_code,
        customer_city=city,
        identifiers={
            "impact_click_id": "click-1",
            "trackdesk_cid": "6a2f41a3-c54c-4b8a-9e02-5f3d1b6a7c8d",
            "idme_conversion_tracking_id": "track-1",
        },
        bucketing={"100": "200"},
        segments=Segments(campaign=campaign),
        tracking_consent=True,
        extra={"note": note},
    )


def plant(clean: Conversion, place: str, value: str) -> Conversion:
    (item,) = clean.items
    if place in {"name", "brand", "category"}:
        return replace(clean, items=(replace(item, **{place: value}),))
    changes: dict[str, Callable[[], dict[str, Any]]] = {
        "promo_code": lambda: {"promo_code": value},
        "note": lambda: {"extra": {"note": value}},
        "city": lambda: {"customer_city": value},
        "campaign": lambda: {"segments": Segments(campaign=value)},
    }
    return replace(clean, **changes[place]())


def ids(one: Conversion) -> frozenset[str]:
    return frozenset({one.order_id, *(item.sku for item in one.items)})


def fuzzed() -> Iterator[tuple[Provider, Conversion, str, str]]:
    dice = random.Random(2026)
    names = sorted(PROVIDERS)
    for _ in range(FUZZED):
        module = PROVIDERS[dice.choice(names)]
        yield module, conversion(dice), dice.choice(PLACES), personal_sample(dice)


def text_of_request(body: bytes) -> str:
    """Every text of a request, as its reader understands it."""
    text = body.decode()
    if not text.startswith("{"):
        return unquote_plus(text)
    texts: list[str] = []
    json.loads(text, object_hook=lambda one: texts.extend(map(str, one.values())))
    return "\n".join(texts)


@pytest.mark.examples
def test_payloads_let_nothing_personal_pass_and_stop_nothing_else() -> None:
    found = 0
    for module, clean, place, value in fuzzed():
        refuse_personal(module.payload(clean), ids(clean))
        body = module.payload(plant(clean, place, value))
        if value not in ids(clean) and value in text_of_request(body):
            found += 1
            with pytest.raises(PersonalDataError) as refused:
                refuse_personal(body, ids(clean))
            assert value not in str(refused.value)
    assert found > FUZZED / 3


SPELLINGS = [(country, one) for country in PHONES for one in PHONES[country]]


@pytest.mark.parametrize(("country", "spelling"), SPELLINGS)
def test_a_number_is_seen_however_its_country_writes_it(
    country: str, spelling: str
) -> None:
    dice = random.Random(f"{country} {spelling}")
    for around in CONTEXTS:
        text = around.format(spell(spelling, dice))
        for body in (urlencode({"a": text}), json.dumps({"a": text})):
            with pytest.raises(PersonalDataError):
                refuse_personal(body.encode())


@pytest.mark.parametrize("text", [*ADDRESSES, *CARDS])
def test_addresses_and_cards_are_seen_in_any_spelling(text: str) -> None:
    with pytest.raises(PersonalDataError):
        refuse_personal(json.dumps({"a": text}).encode())


@pytest.mark.parametrize("text", CLEAN)
def test_what_only_looks_like_it_is_not_stopped(text: str) -> None:
    refuse_personal(urlencode({"a": text}).encode())
    refuse_personal(json.dumps({"a": text}).encode())


HOSTILE = [
    *("(", " ", "+", "+ ", "+1 ", "0170 ", "01 ", "1 ", "0(", "(0", "212 ", "1-", "0"),
    *("@", "a@1.", "&#", "%", "%4", "4111 ", "e\u0301\u0316", "\uff20"),
]


def seconds(work: Callable[[], object]) -> float:
    """The least of three: what is more was another's."""

    def once() -> float:
        began = process_time()
        work()
        return process_time() - began

    return min(once() for _ in range(3))


@pytest.mark.parametrize("repeated", HOSTILE)
def test_the_time_to_look_grows_with_the_length_only(repeated: str) -> None:
    def look(length: int) -> None:
        text = (repeated * length)[:length] + "x"
        with suppress(PersonalDataError):
            refuse_personal(json.dumps({"a": text}).encode())
        re.match(PHONE_AS_ORDER_ID, "+" + text)
        re.match(PHONE, text)

    # A square would take four hundred times as long, and here a minute and more.
    assert seconds(lambda: look(60_000)) < 60 * seconds(lambda: look(3_000)) + 0.1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"OrderId=1&Text1=jane%40example.org", "Text1"),
        (b"OrderId=1&Text1=%2B49+170+1234567", "Text1"),
        (b'{"a":[{"b":"jane@example.org"}]}', "$.a[0].b"),
        (json.dumps({"a": "jane\u0040example.org"}).encode(), "$.a"),
        (b'{"jane@example.org":1}', "a name below $"),
        (b"jane%40example.org=1", "a field's name"),
    ],
)
def test_the_field_is_named_and_the_value_is_not(body: bytes, field: str) -> None:
    with pytest.raises(PersonalDataError) as refused:
        refuse_personal(body)
    assert str(refused.value) == f"personal data in {field}"


def test_an_order_id_may_look_like_a_number_but_not_like_an_address() -> None:
    refuse_personal(b"OrderId=555-123-4567", {"555-123-4567"})
    with pytest.raises(PersonalDataError):
        refuse_personal(b"OrderId=jane@example.org", {"jane@example.org"})


OF_PEOPLE = (
    *("customer_name", "first_name", "lastname", "email", "billing_email", "Phone"),
    *("recipient_name", "Email Address", "e-mail", "eMail", "customerEmail", "lname"),
    *(
        "fname",
        "customer_phone_1",
        "phoneNumber",
        "tel",
        "cell",
        "customer cell",
        "dob",
    ),
    *("ssn", "vorname", "Nachname", "guest_name", "holder_name", "recipient"),
    *(
        "ship_to",
        "ShipTo",
        "gift_recipient",
        "street1",
        "address_line_2",
        "Straße",
        "ship address",
    ),
    *("billingFirstName", "mobile_no", "cardholder", "date-of-birth", "birthDate"),
)
TABLES = {"fields": "Text1", "item_fields": "ItemText_1"}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("column", OF_PEOPLE)
def test_a_column_of_a_person_cannot_be_mapped(column: str, table: str) -> None:
    assert is_personal_column(column)
    model = REGISTRY["impact"].settings
    account = ACCOUNTS["impact"] | {table: {TABLES[table]: f"extra.{column}"}}
    with pytest.raises(ValidationError, match="without names, addresses"):
        model.model_validate({"provider": "impact", **account})


@pytest.mark.parametrize("name", REGISTRY)
def test_every_table_of_a_destination_is_looked_at(name: str) -> None:
    """A provider with a further table tells its columns, and so they are refused."""
    model = REGISTRY[name].settings

    class WithAFurtherTable(model):  # type: ignore[misc, valid-type]
        @property
        def mapped_columns(self) -> dict[str, list[str]]:
            return {"order_items": ["extra.recipient_name"]}

    with pytest.raises(ValidationError, match="without names, addresses"):
        WithAFurtherTable.model_validate({"provider": name, **ACCOUNTS[name]})


@pytest.mark.parametrize("name", sorted(MAPPABLE | {*ITEM_COLUMNS}))
def test_every_column_of_the_contract_can_be_mapped(name: str) -> None:
    assert not is_personal_column(name)


@pytest.mark.parametrize(
    "column",
    [
        *("store_name", "campaign_name", "email_sha1", "EmailSha256", "product_name"),
        *("filename", "phone_os", "test_cell", "direct_mail", "hotel", "order_number"),
        *("shipping_method_name", "name", "mobile_app", "name_of_the_shop"),
        *("ip", "ip_address", "customerIpAddress", "user_agent"),
    ],
)
def test_other_columns_can(column: str) -> None:
    assert not is_personal_column(column)


@pytest.mark.parametrize(
    "number",
    [
        *("+1 805 555 0100", "(805) 555-0100", "+49 (0) 170/1234567", "805-555-0100"),
        *("+18055550100", "18055550100", "06.12.34.56.78"),
    ],
)
def test_a_field_for_it_may_hold_a_telephone_number(number: str) -> None:
    body = urlencode({"PhoneNumber": number, "Text1": "a"}).encode()
    refuse_personal(body, phone_fields={"PhoneNumber"})


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("Text1", "+1 805 555 0100"),
        ("PhoneNumber", "jane@example.org"),
        ("PhoneNumber", "4111 1111 1111 1111"),
        ("PhoneNumber", "Jane, +1 805 555 0100"),
    ],
)
def test_a_field_for_telephone_numbers_lets_nothing_else_pass(
    field: str, text: str
) -> None:
    body = urlencode({field: text}).encode()
    with pytest.raises(PersonalDataError, match=field):
        refuse_personal(body, phone_fields={"PhoneNumber"})
