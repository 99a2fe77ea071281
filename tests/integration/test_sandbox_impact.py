"""The sandbox as impact.com, over HTTP."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import requests

from pipelines.sandbox.impact_actions import check_size, show_page
from pipelines.sandbox.impact_books import Books
from pipelines.sandbox.server import SandboxServer

SID = "IRtest"
CONVERSION = {
    "CampaignId": "1000",
    "EventTypeId": "9876",
    "EventDate": "2026-01-31T23:55:24-08:00",
    "ClickId": "QiiW:XOVnrQ3",
    "CurrencyCode": "USD",
    "OrderId": "O1",
    "ItemSku1": "1ABC",
    "ItemCategory1": "Hardware",
    "ItemQuantity1": "2",
    "ItemSubTotal1": "28.00",
}
REFERENCE_EXAMPLE = {
    "EventTypeId": "12345",
    "ClickId": "QiiWXOVnrQ3SQHl24jQjyxBGUkmzfJ3i1VHrWM0",
    "CustomerId": "BCZ2WVSH674563PDPYOTM3AXDQ",
    "OrderPromoCode": "10OFF-ROCKET",
    "EventDate": "2023-12-01T23:55:24-08:00",
    "CampaignId": "1000",
    "OrderId": "9217374917471",
    "OrderDiscount": "5",
    "ItemSku1": "12345",
    "ItemName1": "Anvil",
    "ItemCategory1": "Blacksmithing",
    "ItemQuantity1": "1",
    "ItemPrice1": "10",
    "ItemSku2": "78909",
    "ItemName2": "Tennis Balls",
    "ItemCategory2": "Sports",
    "ItemQuantity2": "6",
    "ItemPrice2": "3.14",
    "CustomerStatus": "NEW",
    "CustomerPostCode": "93101",
    "CurrencyCode": "USD",
    "IpAddress": "",
    "CustomerEmail": "7076656fee27c02fd8a1cbd17828c9cf28f2c250",
}


class Account:
    """An impact.com account on a sandbox."""

    def __init__(self, server: SandboxServer, sid: str = SID) -> None:
        self.server = server
        self.sid = sid
        self.session = requests.Session()
        self.session.auth = (sid, "token")
        self.session.headers["Accept"] = "application/json"

    def send(self, **changes: str | None) -> requests.Response:
        """Posts `CONVERSION` with changes; None leaves a field out."""
        form = {k: v for k, v in {**CONVERSION, **changes}.items() if v is not None}
        path = f"/Advertisers/{self.sid}/Conversions"
        return self.session.post(f"{self.server.url}/impact{path}", data=form)

    def get(self, path: str, **query: str) -> requests.Response:
        return self.session.get(f"{self.server.url}/impact{path}", params=query)

    def settle(self, reply: requests.Response) -> dict[str, str]:
        submission: dict[str, str] = self.get(reply.json()["QueuedUri"]).json()
        return submission


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture
def account(server: SandboxServer) -> Iterator[Account]:
    account = Account(server, f"IR{uuid4().hex}")
    yield account
    account.session.close()


def errors(reply: requests.Response) -> dict[str, str]:
    assert reply.status_code == 400
    assert reply.json()["Status"] == "ERROR"
    return {error["field"]: error["message"] for error in reply.json()["errors"]}


def generic_errors(reply: requests.Response) -> dict[str, str]:
    """The spelling of everything but conversions."""
    assert reply.status_code == 400
    body = reply.json()
    assert body["Message"] == body["Errors"][0]["Message"]
    return {error["Field"]: error["Message"] for error in body["Errors"]}


def oids(page: dict[str, Any]) -> list[str]:
    return [row["Oid"] for row in page["Actions"]]


def test_a_conversion_is_queued_and_settles_without_an_error(account: Account) -> None:
    reply = account.send()
    assert reply.status_code == 200
    assert reply.json()["Status"] == "QUEUED"
    assert reply.json()["QueuedUri"].startswith(
        f"/Advertisers/{account.sid}/APISubmissions/A-"
    )
    submission = account.settle(reply)
    assert (submission["Status"], submission["ErrorReason"]) == ("Complete", "")
    assert submission["OrderId"] == "O1"
    assert account.server.sandbox.effects("impact", account.sid) == {"O1": 1}


def test_the_example_of_the_reference_is_taken(account: Account) -> None:
    path = f"/Advertisers/{account.sid}/Conversions"
    reply = account.session.post(
        f"{account.server.url}/impact{path}", data=REFERENCE_EXAMPLE
    )
    assert reply.json()["Status"] == "QUEUED"


def test_a_repeated_order_is_settled_as_conv_duplicate(account: Account) -> None:
    account.send()
    repeat = account.settle(account.send())
    assert repeat["ErrorReason"] == "CONV_DUPLICATE"
    assert account.server.sandbox.effects("impact", account.sid) == {"O1": 1}
    assert account.server.sandbox.requests("impact", account.sid) == {"O1": 2}


def test_an_order_is_no_repeat_under_another_event_type(account: Account) -> None:
    account.send()
    assert account.settle(account.send(EventTypeId="1"))["ErrorReason"] == ""


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"OrderId": None}, "OrderId"),
        ({"OrderId": "x" * 65}, "OrderId"),
        ({"CampaignId": "ten"}, "CampaignId"),
        ({"EventTypeId": None}, "EventTypeId"),
        ({"EventTypeCode": "sale"}, "EventTypeId"),
        ({"ClickId": None}, "ClickId"),
        ({"CurrencyCode": "usd"}, "CurrencyCode"),
        ({"CurrencyCode": None}, "CurrencyCode"),
        ({"EventDate": "2026-01-31T23:55:24"}, "EventDate"),
        ({"EventDate": "2026-01-31T23:55:24 08:00"}, "EventDate"),
        ({"EventDate": "2026-02-30T23:55:24Z"}, "EventDate"),
        ({"EventDate": "2999-01-31T23:55:24Z"}, "EventDate"),
        ({"EventDate": "NOW"}, "EventDate"),
        ({"CustomerEmail": "customer@example.com"}, "CustomerEmail"),
        ({"CustomerId": "customer@example.com"}, "CustomerId"),
        ({"ItemPrice1": "14.00"}, "ItemSubTotal1"),
        ({"ItemSubTotal1": None}, "ItemSubTotal1"),
        ({"ItemSubTotal1": "28.001"}, "ItemSubTotal1"),
        ({"ItemSubTotal1": "1,028.00"}, "ItemSubTotal1"),
        ({"ItemSubTotal1": "-28.00"}, "ItemSubTotal1"),
        ({"ItemSubTotal": "28.00"}, "ItemSubTotal"),
        ({"ItemSubtotal1": "28.00"}, "ItemSubtotal1"),
        ({"ItemQuantity1": "1.5"}, "ItemQuantity1"),
        ({"ItemCategory1": None}, "ItemCategory1"),
        ({"ItemName3": "Third without a second"}, "ItemSku2"),
        ({"OrderSubTotalPostDiscount": "28.00"}, "OrderSubTotalPostDiscount"),
        ({"MediaId": "1", "MediaPartnerId": "1"}, "MediaPartnerId"),
        ({"Text51": "x"}, "Text51"),
        ({"Text50": "x" * 65}, "Text50"),
        ({"ItemText1_51": "x"}, "ItemText1_51"),
        ({"TrackingConsent": "yes"}, "TrackingConsent"),
        ({"GiftPurchase": "TRUE"}, "GiftPurchase"),
        ({"ClickId": "c" * 65}, "ClickId"),
        ({"CustomProfileId": "c" * 71}, "CustomProfileId"),
        ({"CustomProfileId": "a@b.example"}, "CustomProfileId"),
        ({"CustomerStatus": "N" * 41}, "CustomerStatus"),
        ({"CustomerEmail": "A" * 40}, "CustomerEmail"),
        ({"PaymentType": "p" * 33}, "PaymentType"),
        ({"OrderPromoCode": "p" * 256}, "OrderPromoCode"),
        ({"OrderDiscount": "12345678901.00"}, "OrderDiscount"),
        ({"OrderDiscount": "5.00", "OrderDiscountRate": "5"}, "OrderDiscountRate"),
        ({"OrderDiscountRate": "12.345"}, "OrderDiscountRate"),
        ({"OrderShipping": "-1"}, "OrderShipping"),
        ({"OrderTax": "1e3"}, "OrderTax"),
        ({"OrderMargin": "123456789"}, "OrderMargin"),
        ({"Date1": "2022-02-30"}, "Date1"),
        ({"Date11": "2022-02-03"}, "Date11"),
        ({"Numeric1": "fifty"}, "Numeric1"),
        ({"Money4": "1"}, "Money4"),
        ({"ItemDiscount1": "1", "ItemTotalDiscount1": "2"}, "ItemTotalDiscount1"),
        ({"ItemDiscountRate1": "1", "ItemDiscount1": "2"}, "ItemDiscount1"),
        ({"ItemPrice1": "123456789", "ItemSubTotal1": None}, "ItemPrice1"),
        ({"ItemTotalDiscount1": "123456789.00"}, "ItemTotalDiscount1"),
        ({"ItemMpn1": "m" * 65}, "ItemMpn1"),
        ({"ItemSku01": "x"}, "ItemSku01"),
        ({"ItemSku0": "x"}, "ItemSku0"),
        ({"ItemMoney1_4": "1"}, "ItemMoney1_4"),
        ({"ItemDate1_1": "2026-13-01"}, "ItemDate1_1"),
        ({"OrderPromoCode": "A", "PromoCode": "A"}, "PromoCode"),
        ({"Colour": "red"}, "Colour"),
    ],
)
def test_a_wrong_conversion_is_refused_with_the_field(
    account: Account, changes: dict[str, str | None], field: str
) -> None:
    assert field in errors(account.send(**changes))
    assert account.server.sandbox.effects("impact", account.sid) == {}


def test_an_order_without_items_may_carry_its_total(account: Account) -> None:
    no_items = dict.fromkeys(
        ("ItemSku1", "ItemCategory1", "ItemQuantity1", "ItemSubTotal1")
    )
    assert account.send(**no_items, OrderSubTotalPostDiscount="28.00").ok


def test_a_free_item_and_custom_fields_are_taken(account: Account) -> None:
    assert account.send(ItemSubTotal1="0.00", Text50="x", ItemText1_2="y").ok


def test_a_parameter_that_is_given_twice_is_refused(account: Account) -> None:
    path = f"{account.server.url}/impact/Advertisers/{account.sid}/Conversions"
    pairs = [*CONVERSION.items(), ("OrderId", "O2")]
    assert "OrderId" in errors(account.session.post(path, data=pairs))


def test_credentials_of_another_account_are_refused(account: Account) -> None:
    account.session.auth = ("IRother", "token")
    assert account.send().status_code == 401
    account.session.auth = (account.sid, "")
    assert account.send().status_code == 401


def test_only_the_configured_token_is_taken() -> None:
    with SandboxServer(secrets={f"impact/{SID}": "right"}) as server:
        account = Account(server)
        assert account.send().status_code == 401
        account.session.auth = (SID, "right")
        assert account.send().status_code == 200
        account.session.close()


def test_a_request_that_does_not_accept_json_is_refused(account: Account) -> None:
    account.session.headers["Accept"] = "*/*"
    assert account.send().status_code == 406


def test_a_json_body_is_refused(account: Account) -> None:
    path = f"{account.server.url}/impact/Advertisers/{account.sid}/Conversions"
    assert account.session.post(path, json=CONVERSION).status_code == 415


def test_a_wrong_path_and_a_wrong_method_are_refused(account: Account) -> None:
    assert account.get("/Advertiser/IR1/Conversions").status_code == 404
    assert account.get(f"/Advertisers/{account.sid}/Conversions").status_code == 405


def test_the_submission_of_another_account_is_not_shown(account: Account) -> None:
    uri = account.send().json()["QueuedUri"].replace(account.sid, "IRother")
    account.session.auth = ("IRother", "token")
    assert account.get(uri).status_code == 404


def test_a_submission_is_queued_until_it_settles() -> None:
    with SandboxServer(settle_after=3600) as server:
        account = Account(server)
        submission = account.settle(account.send())
        assert (submission["Status"], submission["CompletionDate"]) == ("Queued", "")
        account.session.close()


def test_a_submission_ends_with_the_reason_that_a_fault_gives() -> None:
    faults = ["impact:settle=CONTRACT_NOT_FOUND RESTRICTED_PROMOCODE~^O1$"]
    with SandboxServer(faults=faults) as server:
        account = Account(server)
        submission = account.settle(account.send())
        other = account.settle(account.send(OrderId="O2"))
        account.session.close()
    assert submission["ErrorReason"] == "CONTRACT_NOT_FOUND RESTRICTED_PROMOCODE"
    assert other["ErrorReason"] == ""
    assert server.sandbox.effects("impact") == {"O2": 1}


def test_an_event_may_lie_as_far_ahead_as_the_sandbox_is_told() -> None:
    ahead = (datetime.now(UTC) + timedelta(minutes=30)).isoformat(timespec="seconds")
    with SandboxServer(future_tolerance=3600) as server:
        account = Account(server)
        assert account.send(EventDate=ahead).ok
        account.session.close()


def test_actions_are_found_by_campaign_and_range(account: Account) -> None:
    path = f"/Advertisers/{account.sid}/Actions"
    days = {
        "ActionDateStart": "2026-02-01T00:00:00Z",
        "ActionDateEnd": "2026-02-02T00:00:00Z",
    }
    account.send()
    account.send()
    account.send(OrderId="O2", EventDate="2026-02-03T00:00:00Z")
    account.send(OrderId="O3", CampaignId="2000")
    page = account.get(path, CampaignId="1000", **days).json()
    assert oids(page) == ["O1"]
    assert page["@nextpageuri"] == ""


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ActionDateEnd": "2026-04-02T00:00:00Z"}, "ActionDateEnd"),
        ({"ActionDateStart": "2026-02-01"}, "ActionDateStart"),
        ({"OrderId": "O1"}, "OrderId"),
        ({"CampaignId": ""}, "CampaignId"),
        ({"State": "pending"}, "State"),
        ({"PageSize": "1999"}, "PageSize"),
        ({"PageSize": "20001"}, "PageSize"),
        ({"Page": "0"}, "Page"),
        (
            {
                "ActionDateStart": "2020-02-01T00:00:00Z",
                "ActionDateEnd": "2020-02-02T00:00:00Z",
            },
            "ActionDateStart",
        ),
    ],
)
def test_a_wrong_look_up_of_actions_is_refused(
    account: Account, changes: dict[str, str], field: str
) -> None:
    query = {
        "CampaignId": "1000",
        "ActionDateStart": "2026-02-01T00:00:00Z",
        "ActionDateEnd": "2026-02-02T00:00:00Z",
    }
    reply = account.get(f"/Advertisers/{account.sid}/Actions", **{**query, **changes})
    assert field in generic_errors(reply)


def test_actions_come_in_pages() -> None:
    books = Books(settle_after=0)
    now = datetime(2026, 2, 2, tzinfo=UTC)
    for number in range(3):
        at = now - timedelta(minutes=9 - number)
        books.queue("IR1", {**CONVERSION, "OrderId": f"O{number}"}, at, error="")
    query = {
        "CampaignId": "1000",
        "ActionDateStart": "2026-02-01T00:00:00Z",
        "ActionDateEnd": "2026-02-02T00:00:00Z",
        "PageSize": "2",
    }
    first = show_page(books.actions("IR1", now), query, "/Actions")
    last = show_page(books.actions("IR1", now), {**query, "Page": "2"}, "/Actions")
    assert [oids(page) for page in (first, last)] == [["O2", "O1"], ["O0"]]
    assert str(first["@nextpageuri"]).endswith("PageSize=2&Page=2")
    assert last["@nextpageuri"] == ""


def test_more_than_ten_pages_of_actions_are_not_listed() -> None:
    books = Books(settle_after=0)
    now = datetime(2026, 2, 2, tzinfo=UTC)
    for number in range(21):
        books.queue("IR1", {**CONVERSION, "OrderId": f"O{number}"}, now, error="")
    query = {
        "CampaignId": "1000",
        "ActionDateStart": "2026-02-01T00:00:00Z",
        "ActionDateEnd": "2026-02-02T00:00:00Z",
        "PageSize": "2",
    }
    (problem,) = check_size(books.actions("IR1", now), query)
    assert problem.field == "PageSize"
    assert check_size(books.actions("IR1", now), {**query, "PageSize": "3"}) == []
