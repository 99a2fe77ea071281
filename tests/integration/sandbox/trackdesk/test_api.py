"""The sandbox as Trackdesk, over HTTP."""

from collections.abc import Iterator

import pytest
import requests

from pipelines.sandbox.server import SandboxServer

CID = "0b5c6f0e-8e53-4f55-9d5a-0f3e6f6a1c11"
ORIGIN = "7a1c2d3e-0000-4000-8000-000000000001"
CONVERSION: dict[str, object] = {
    "cid": CID,
    "conversionTypeCode": "sale",
    "amount": {"value": "100.50"},
    "currency": {"code": "USD"},
    "externalId": "O1",
}
BY_EXTERNAL_CID: dict[str, object] = {
    "cid": None,
    "externalCid": "user-1",
    "revenueOriginId": ORIGIN,
}


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with SandboxServer(secrets={"trackdesk/acme": "key"}) as server:
        yield server


def send(
    server: SandboxServer,
    changes: dict[str, object] | None = None,
    headers: dict[str, str] | None = None,
) -> requests.Response:
    body = {**CONVERSION, **(changes or {})}
    return requests.post(
        f"{server.url}/trackdesk/acme/tracking/conversion/v1",
        json={name: value for name, value in body.items() if value is not None},
        headers=headers,
    )


def link(server: SandboxServer, **changes: object) -> requests.Response:
    body = {"externalCid": "user-1", "revenueOriginId": ORIGIN, "cid": CID, **changes}
    url = f"{server.url}/trackdesk/acme/tracking/external-cid/v1"
    given = {name: value for name, value in body.items() if value is not None}
    return requests.post(url, json=given)


def test_a_conversion_by_cid_is_created(server: SandboxServer) -> None:
    assert send(server).status_code == 200
    assert server.sandbox.effects("trackdesk", "acme") == {"O1": 1}


def test_a_repeated_order_already_exists(server: SandboxServer) -> None:
    send(server)
    repeat = send(server)
    assert repeat.status_code == 409
    assert "already exists" in repeat.json()["message"]
    assert server.sandbox.effects("trackdesk") == {"O1": 1}


def test_an_order_is_no_repeat_under_another_conversion_type(
    server: SandboxServer,
) -> None:
    send(server)
    assert send(server, {"conversionTypeCode": "lead"}).status_code == 200


def test_without_an_external_id_every_request_is_a_conversion(
    server: SandboxServer,
) -> None:
    assert send(server, {"externalId": None}).status_code == 200
    assert send(server, {"externalId": None}).status_code == 200


def test_an_external_cid_is_not_found_before_it_is_linked(
    server: SandboxServer,
) -> None:
    reply = send(server, BY_EXTERNAL_CID)
    assert reply.status_code == 400
    reason = "conversion source with the external cid not found"
    assert reply.json()["message"] == reason
    assert link(server).status_code == 200
    assert link(server).status_code == 200
    assert send(server, BY_EXTERNAL_CID).status_code == 200


def test_a_conversion_by_coupon_is_created(server: SandboxServer) -> None:
    coupon = {"cid": None, "couponCodes": ["TEN", "FIVE"], "revenueOriginId": ORIGIN}
    assert send(server, coupon).status_code == 200


def test_a_link_belongs_to_its_revenue_origin(server: SandboxServer) -> None:
    link(server)
    other = BY_EXTERNAL_CID | {"revenueOriginId": ORIGIN.replace("7a", "8b")}
    assert send(server, other).status_code == 400
    assert send(server, BY_EXTERNAL_CID).status_code == 200


@pytest.mark.sampled(8)
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cid": '{"tenantId":"acme"}'}, "conversion source not found"),
        ({"cid": None}, "exactly one of"),
        ({"cid": None, "couponCodes": ["TEN"]}, "required with couponCodes"),
        ({"cid": None, "externalCid": "e"}, "required with externalCid"),
        ({"couponCodes": [" "]}, "not blank"),
        ({"amount": "100.50"}, "missing conversion amount"),
        ({"externalId": 5}, "externalId"),
        ({"customerId": ""}, "customerId"),
        ({"revenueOriginId": "main"}, "a UUID"),
        ({"couponCodes": ["TEN"]}, "exactly one of"),
        ({"conversionTypeCode": None}, "conversion type not found"),
        ({"amount": {"value": 100.5}}, "missing conversion amount"),
        ({"amount": {"value": "100,50"}}, "missing conversion amount"),
        ({"amount": {}}, "missing conversion amount"),
        ({"currency": {"code": "usd"}}, "unsupported currency"),
        ({"currencyCode": "USD"}, "unknown field"),
        ({"status": "APPROVED"}, "status"),
        ({"customParams": {"advS6": "x"}}, "unknown field"),
    ],
)
def test_a_wrong_conversion_is_refused_with_a_reason(
    server: SandboxServer, changes: dict[str, object], reason: str
) -> None:
    reply = send(server, changes)
    assert reply.status_code == 400
    assert reason in reply.json()["message"]
    assert server.sandbox.effects("trackdesk") == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"conversionTypeCode": "sale"},
        {"conversionTypeCode": "sale", "externalCid": None},
        {"conversionTypeCode": " ", "cid": None},
        {"conversionTypeCode": "sale", "cid": None, "revenueOriginId": None},
    ],
    ids=["two identifiers", "by cid", "no type", "no origin"],
)
def test_another_conversion_at_the_printed_address_is_refused(
    server: SandboxServer, changes: dict[str, object]
) -> None:
    assert link(server).status_code == 200
    assert link(server, **changes).status_code == 400


def test_step_b_is_taken_at_the_printed_address(server: SandboxServer) -> None:
    step_b = {"cid": None, "conversionTypeCode": "sale", "externalId": "O1"}
    assert link(server, **step_b).status_code == 400
    assert link(server).status_code == 200
    assert link(server, **step_b).status_code == 200
    assert link(server, **step_b).status_code == 409
    assert server.sandbox.effects("trackdesk") == {"O1": 1}


def test_a_conversion_counts_once_at_both_addresses(server: SandboxServer) -> None:
    link(server)
    assert send(server, BY_EXTERNAL_CID).status_code == 200
    step_b = {"cid": None, "conversionTypeCode": "sale", "externalId": "O1"}
    assert link(server, **step_b).status_code == 409


def test_no_key_is_needed_but_a_wrong_one_is_refused(server: SandboxServer) -> None:
    assert send(server, headers={"x-api-key": "wrong"}).status_code == 401
    assert send(server, headers={"x-api-key": "key"}).status_code == 200
