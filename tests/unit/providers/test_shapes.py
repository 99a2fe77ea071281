"""What is new about a reply: its path is told, its values never are."""

import json
import string
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.providers.registry import REGISTRY
from assets.providers.shapes import (
    ANYTHING,
    EMPTY,
    NULL,
    NUMBER,
    TEXT,
    OneOf,
    Shape,
    differences,
    signature,
)
from support.examples import examples

CONVERSIONS = "POST /Advertisers/{account_sid}/Conversions"
SUBMISSION = "GET /Advertisers/{account_sid}/APISubmissions/{submission_id}"
TRACK = "POST /v1/track/{account_id}/{project_id}"

SIMPLE: Shape = {
    "Status": OneOf(("OK", "In Progress")),
    "Count": NUMBER,
    "Note": TEXT | NULL,
    "Errors": [{"Field": TEXT}],
    "Payload": ANYTHING,
}


def new(body: Any, shape: Shape = SIMPLE, status: int = 200) -> list[str]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return differences({(200,): shape}, status, raw)


def differences_of(provider: str, request: str, status: int, body: Any) -> list[str]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return differences(REGISTRY[provider].replies[request], status, raw)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"Status": "OK", "Count": 1.5, "Note": None, "Errors": []},
        {"status": "in progress", "errors": [{"field": "a"}, {}]},
        {"Payload": {"anything": [1, {"at": "all"}]}},
    ],
)
def test_a_documented_reply_has_no_difference(body: dict[str, Any]) -> None:
    assert new(body) == []


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"Colour": 1}, "$.Colour: expected no such key"),
        ({"Errors": [{"Code": 7}]}, "$.Errors[0].Code: expected no such key"),
        (
            {"Errors": [{}, {"Field": 1}]},
            "$.Errors[1].Field: expected text, got a numb",
        ),
        ({"Count": "12"}, "$.Count: expected a number, got text"),
        ({"Count": True}, "$.Count: expected a number, got true or false"),
        ({"Note": {}}, "$.Note: expected null, text, got an object"),
        ({"Status": "PAID"}, "$.Status: expected one of OK, In Progress, got another"),
        ({"Status": None}, "$.Status: expected text, got null"),
        ([], "$: expected an object, got an array"),
        (b"", "$: expected an object, got an empty body"),
        (b"<html>", "$: expected an object, got a body that is no JSON"),
        (b"null", "$: expected an object, got null"),
    ],
)
def test_a_difference_names_its_path(body: Any, text: str) -> None:
    (found,) = new(body)
    assert found.startswith(text)


def test_one_of_several_shapes_is_enough() -> None:
    either = (EMPTY, {"code": NUMBER})
    assert new(b"", either) == new({"code": 1}, either) == []
    assert new([], either) == ["$: expected an empty body, an object, got an array"]
    assert new({"core": 1}, either) == ["$.core: expected no such key"]


def test_an_undocumented_status_is_a_difference() -> None:
    assert new({}, status=418) == ["status: expected one of 200, got 418"]


@pytest.mark.parametrize(
    "key", ["ann@example.com", "2026-11-20", "O 17", "x" * 41, "", "ab12345678", "é"]
)
def test_a_key_that_looks_like_no_identifier_is_not_shown(key: str) -> None:
    assert new({key: 1}) == ["$.<key>: expected no such key"]


def test_a_difference_of_many_members_is_reported_once() -> None:
    errors = [{"Field": "a", "Code": number} for number in range(500)]
    assert new({"Errors": errors}) == ["$.Errors[0].Code: expected no such key"]
    assert new({f"order {number}": 1 for number in range(500)}) == [
        "$.<key>: expected no such key"
    ]


def test_the_number_of_differences_is_limited() -> None:
    letters = [a + b for a in string.ascii_lowercase for b in string.ascii_lowercase]
    assert len(new(dict.fromkeys(letters, 1))) == 20


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["Status", "Count", "Errors", "new"]), inner)
    ),
    max_leaves=8,
)
quick = settings(
    derandomize=True, max_examples=examples(200), deadline=None, database=None
)


@quick
@given(value=VALUES)
def test_no_value_is_ever_shown(value: Any) -> None:
    secret = "Canary7"
    body = json.dumps({"Status": secret, "Count": secret, "Note": [secret, value]})
    found = new(body.encode())
    assert len(found) == 3
    assert secret not in "".join(found)


@quick
@given(value=VALUES, other=VALUES)
def test_equal_signatures_mean_equal_differences(value: Any, other: Any) -> None:
    one, two = (json.dumps({"Errors": v, "Status": v}).encode() for v in (value, other))
    if signature(one) == signature(two):
        assert new(one) == new(two)


@quick
@given(body=st.binary(max_size=200))
def test_no_body_is_too_odd_to_be_looked_at(body: bytes) -> None:
    signature(body)
    assert all(one.startswith("$") for one in new(body))


def test_bodies_that_differ_in_values_only_have_one_signature() -> None:
    queued = '{"Status": "QUEUED", "QueuedUri": "/Advertisers/IR1/%s", "n": %s}'
    one = signature((queued % ("A-1", 1)).encode())
    assert one == signature((queued % ('A-\\" 2', -2.5e3)).encode())
    assert one != signature(queued.replace("QUEUED", "PAID").encode())
    assert one != signature((queued % ("A-1", '"1"')).encode())


@pytest.mark.parametrize("piece", [b'"', b'"\\', b'\\"', b'"a" ', b"[", b'{"a":'])
def test_a_hostile_body_takes_no_longer_than_another(piece: bytes) -> None:
    body = (b'"' + piece * 65_536)[:65_536]
    began = time.process_time()
    signature(body)
    new(body)
    assert time.process_time() - began < 1


def test_a_known_value_must_be_one_that_a_signature_keeps() -> None:
    with pytest.raises(ValueError, match="letters, spaces"):
        OneOf(("CODE_1",))


# --- what the documents of the providers print


@pytest.mark.parametrize(
    ("provider", "request_", "status", "body"),
    [
        ("impact", CONVERSIONS, 200, {"Status": "QUEUED", "QueuedUri": "/A/IR/A-1"}),
        ("impact", CONVERSIONS, 201, {"Status": "OK", "Uri": "/A/1"}),
        (
            *("impact", CONVERSIONS, 400),
            {
                "Status": "ERROR",
                "errors": [
                    {
                        "field": "Margin",
                        "level": "ERROR",
                        "message": "Invalid numeric format (fifty)",
                    }
                ],
            },
        ),
        (
            *("impact", CONVERSIONS, 400),
            {"Status": "ERROR", "Message": "m", "Errors": [{"Field": "F"}]},
        ),
        ("impact", CONVERSIONS, 401, {"status": 401, "title": "Unauthorized"}),
        ("impact", CONVERSIONS, 503, b"<html>"),
        (
            *("impact", SUBMISSION, 200),
            {"Status": "Complete", "OrderId": None, "ErrorReason": "A B"},
        ),
        ("convert", TRACK, 200, {"code": 200, "message": "OK"}),
        ("convert", TRACK, 200, b""),
        ("convert", TRACK, 400, {"code": 400, "message": "no", "fields": ""}),
        ("trackdesk", "POST /tracking/conversion/v1", 200, b""),
        ("trackdesk", "POST /tracking/external-cid/v1", 409, {"any": "thing"}),
        ("idme", "POST {endpoint_url}", 202, b"taken"),
    ],
)
def test_what_the_documents_print_is_known(
    provider: str, request_: str, status: int, body: Any
) -> None:
    assert differences_of(provider, request_, status, body) == []


@pytest.mark.parametrize(
    ("provider", "request_", "status", "body", "text"),
    [
        (
            *("impact", CONVERSIONS, 200, {"Status": "PARKED"}),
            "$.Status: expected one of QUEUED, OK, ERROR, got another word",
        ),
        (
            *("impact", SUBMISSION, 200, {"ActionId": "1000.1.2"}),
            "$.ActionId: expected no such key",
        ),
        (
            *("convert", TRACK, 200, {"code": "200", "message": "OK"}),
            "$.code: expected a number, got text",
        ),
        (
            *("trackdesk", "POST /tracking/conversion/v1", 302, b""),
            "status: expected one of 200, 201, 202,",
        ),
        ("idme", "POST {endpoint_url}", 207, b"", "status: expected one of 200"),
    ],
)
def test_what_they_do_not_print_is_new(
    provider: str, request_: str, status: int, body: Any, text: str
) -> None:
    (found,) = differences_of(provider, request_, status, body)
    assert found.startswith(text)
