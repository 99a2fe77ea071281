"""The simulated Convert.com over HTTP."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from pipelines.sandbox.convert.api import MAX_BODY_BYTES
from pipelines.sandbox.server import SandboxServer

AGENT = {"User-Agent": "ConvertAgent/1.0"}
BODY: dict[str, Any] = {
    "accountId": "10012345",
    "projectId": "10056789",
    "enrichData": True,
    "visitors": [
        {
            "visitorId": "visitor-1",
            "segments": {"browser": "CH", "devices": ["DESK"], "country": "US"},
            "events": [
                {
                    "eventType": "conversion",
                    "data": {
                        "goalId": "99887766",
                        "bucketingData": {"11223344": "55667788"},
                        "goalData": [
                            {"key": "amount", "value": 99.99},
                            {"key": "productsCount", "value": 2},
                            {"key": "transactionId", "value": "TXN-1"},
                            {"key": "customDimension1", "value": ["a", "b"]},
                        ],
                    },
                }
            ],
        }
    ],
}


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    secrets = {"convert/key-with-secret": "s3cret", "convert/10012345/key": "s3cret-2"}
    with SandboxServer(secrets=secrets) as server:
        yield server


def send(
    server: SandboxServer,
    body: object = BODY,
    path: str = "10012345/10056789",
    **headers: str,
) -> requests.Response:
    url = f"{server.url}/convert/v1/track/{path}"
    return requests.post(url, json=body, headers={**AGENT, **headers})


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    body = copy.deepcopy(BODY)
    change(body)
    return body


def test_a_batch_is_accepted(server: SandboxServer) -> None:
    reply = send(server)
    assert (reply.status_code, reply.json()["code"]) == (200, 200)
    assert server.sandbox.effects("convert", "10012345") == {"TXN-1": 1}


def test_a_transaction_id_may_be_a_number(server: SandboxServer) -> None:
    def number(body: dict[str, Any]) -> None:
        body["visitors"][0]["events"][0]["data"]["goalData"][2]["value"] = 1001

    assert send(server, changed(number)).status_code == 200
    assert server.sandbox.effects("convert") == {"1001": 1}


def test_every_event_counts_even_a_repeated_one(server: SandboxServer) -> None:
    events = BODY["visitors"][0]["events"]
    send(server, changed(lambda b: b["visitors"][0].update(events=events * 2)))
    send(server)
    assert server.sandbox.effects("convert") == {"TXN-1": 3}
    assert server.sandbox.requests("convert") == {"TXN-1": 2}


def test_another_user_agent_gets_200_and_is_discarded(server: SandboxServer) -> None:
    reply = send(server, **{"User-Agent": "my-app ConvertAgent/1.0"})
    assert reply.status_code == 200
    assert server.sandbox.effects("convert") == {}
    assert not server.sandbox.journal.entries[0].applied


def test_the_sdk_key_address_asks_for_the_secret_of_its_key(
    server: SandboxServer,
) -> None:
    assert send(server, path="plain-key").status_code == 200
    assert send(server, path="key-with-secret").status_code == 401
    secret = {"Authorization": "Bearer s3cret"}
    assert send(server, path="key-with-secret", **secret).status_code == 200


def _data(body: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = body["visitors"][0]["events"][0]["data"]
    return data


def _visitor(body: dict[str, Any]) -> dict[str, Any]:
    visitor: dict[str, Any] = body["visitors"][0]
    return visitor


def _goal_data(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda b: _data(b).update(goalData=[{"key": key, "value": value}])


@pytest.mark.sampled(12)
@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda b: b.update(accountId=10012345), "accountId"),
        (lambda b: b.update(projectId="1"), "projectId"),
        (lambda b: b.update(enrichData="true"), "enrichData"),
        (lambda b: b.update(timestamp=1), "timestamp"),
        (lambda b: b.update(visitors=[]), "visitors"),
        (lambda b: _visitor(b).update(visitorId=1), "visitors[0].visitorId"),
        (lambda b: _visitor(b).update(visitorId="a@b.c"), "visitors[0].visitorId"),
        (lambda b: _visitor(b).update(segments={}), "visitors[0].segments"),
        (
            lambda b: _visitor(b).update(segments={"browser": "EDG"}),
            "visitors[0].segments.browser",
        ),
        (
            lambda b: _visitor(b).update(segments={"devices": "DESK"}),
            "visitors[0].segments.devices",
        ),
        (
            lambda b: _visitor(b)["events"][0].update(eventType="tr"),
            "visitors[0].events[0].eventType",
        ),
        (lambda b: _data(b).pop("goalId"), "visitors[0].events[0].data.goalId"),
        (
            lambda b: _data(b).update(bucketingData={}),
            "visitors[0].events[0].data.bucketingData",
        ),
        (
            lambda b: _data(b).update(bucketingData={"1": 2}),
            "visitors[0].events[0].data.bucketingData.1",
        ),
        (
            _goal_data("amount", "99.99"),
            "visitors[0].events[0].data.goalData[0].value",
        ),
        (_goal_data("revenue", 99.99), "visitors[0].events[0].data.goalData[0].key"),
        (
            _goal_data("transactionId", True),
            "visitors[0].events[0].data.goalData[0].value",
        ),
        (
            _goal_data("transactionId", ["T"]),
            "visitors[0].events[0].data.goalData[0].value",
        ),
        (
            _goal_data("customDimension1", ["x" * 33]),
            "visitors[0].events[0].data.goalData[0].value",
        ),
        (
            _goal_data("customDimension5", "x" * 33),
            "visitors[0].events[0].data.goalData[0].value",
        ),
        (
            _goal_data("productsCount", "2"),
            "visitors[0].events[0].data.goalData[0].value",
        ),
        (lambda b: b.update(source=""), "source"),
        (lambda b: b.pop("visitors"), "visitors"),
        (lambda b: b.update(visitors=b["visitors"] * 2), "visitors"),
        (lambda b: _visitor(b).pop("visitorId"), "visitors[0].visitorId"),
        (lambda b: _visitor(b).update(visitorId=" "), "visitors[0].visitorId"),
        (lambda b: _visitor(b).update(events=[]), "visitors[0].events"),
        *[
            (
                lambda b, name=name, value=value: _visitor(b).update(
                    segments={name: value}
                ),
                f"visitors[0].segments.{name}",
            )
            for name, value in {
                "devices": [],
                "source": "email",
                "visitorType": "0",
                "country": "USA",
                "campaign": "",
                "customSegments": "segment-1",
                "language": "en",
            }.items()
        ],
        (
            lambda b: _data(b).update(goalData=_data(b)["goalData"][:1] * 2),
            "visitors[0].events[0].data.goalData",
        ),
        (
            lambda b: _data(b)["goalData"][0].update(currency="USD"),
            "visitors[0].events[0].data.goalData[0].currency",
        ),
    ],
)
def test_a_wrong_batch_is_refused_with_the_field(
    server: SandboxServer, change: Callable[[dict[str, Any]], object], field: str
) -> None:
    reply = send(server, changed(change))
    assert (reply.status_code, reply.json()["code"]) == (400, 400)
    assert field in reply.json()["fields"].split(",")
    assert server.sandbox.effects("convert") == {}


@pytest.mark.parametrize("body", ["{", '{"a": NaN}', '{"a": 1, "a": 1}', "[]"])
def test_a_body_that_is_no_json_object_is_refused(
    server: SandboxServer, body: str
) -> None:
    url = f"{server.url}/convert/v1/track/10012345/10056789"
    headers = {**AGENT, "Content-Type": "application/json"}
    assert requests.post(url, data=body, headers=headers).status_code == 400


def test_a_refusal_has_converts_shape(server: SandboxServer) -> None:
    reply = send(server, changed(lambda b: _data(b).pop("goalId")))
    assert reply.json() == {
        "code": 400,
        "message": "visitors[0].events[0].data.goalId: required field is missing",
        "fields": "visitors[0].events[0].data.goalId",
    }


@pytest.mark.parametrize("path", ["10012345/project", "account/10056789"])
def test_the_ids_of_the_path_are_whole_numbers(
    server: SandboxServer, path: str
) -> None:
    reply = send(server, path=path)
    assert (reply.status_code, reply.json()["code"]) == (404, 404)


def test_a_body_above_the_maximum_size_is_refused(server: SandboxServer) -> None:
    reply = send(server, changed(lambda b: b.update(source="x" * MAX_BODY_BYTES)))
    assert (reply.status_code, reply.json()["code"]) == (413, 413)


def test_a_form_is_refused(server: SandboxServer) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert send(server, **form).status_code == 415


def test_a_key_may_be_written_as_account_and_name(server: SandboxServer) -> None:
    # The ids of the body are not those of the path then.
    body = changed(lambda b: b.update(projectId="1"))
    path = "10012345/key"
    assert send(server, body, path=path).status_code == 401
    secret = {"Authorization": "Bearer s3cret-2"}
    assert send(server, body, path=path, **secret).status_code == 200
