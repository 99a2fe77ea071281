"""Whether the body of a success speaks of a failure."""

import json
from typing import Any

import pytest

from assets.providers.error_in_reply import looks_like_error, reports_error


def bytes_of(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


SAID_IN_SO_MANY_WORDS = [
    {"error": "x"},
    {"errorMessage": "x"},
    {"Exception": {"at": 1}},
    {"ERROR": "x", "error": ""},
    {"data": [{"errors": [1]}]},
    {"success": False},
    {"ok": "false"},
    {"status": "failed"},
    {"result": "Error"},
    {"code": 400},
    {"status_code": 599},
    b'\xef\xbb\xbf{"error": 1}',
    b'{"error": NaN}',
    b'{"error": "cut',
]


@pytest.mark.parametrize("body", SAID_IN_SO_MANY_WORDS)
def test_an_error_that_is_named_is_one_by_either_reading(body: Any) -> None:
    assert reports_error(bytes_of(body))
    assert looks_like_error(bytes_of(body))


@pytest.mark.parametrize(
    "body",
    [
        {"state": "ERROR"},
        {"status": "SYSTEM_ERROR"},
        {"status": "systemError"},
        {"status": "REJECTED"},
        {"status": "INVALID"},
        {"status": "failed_precondition"},
        {"status": "400"},
        {"statusCode": "503"},
        {"title": "Bad Request", "status": "400"},
        {"type": "error"},
        {"type": "conversion.rejected"},
        {"level": "ERROR"},
        {"severity": "Error"},
        {"result": "ERROR_X"},
        {"result": False},
        {"code": "NOT_FOUND"},
        {"code": "INTERNAL"},
        {"code": "UNAVAILABLE"},
        {"code": "INVALID_ARGUMENT", "message": "the cid"},
        {"code": 3, "message": "invalid argument", "details": []},
        {"code": "5", "message": "conversion"},
        {"code": 13, "details": []},
        {"status": {"Code": 9, "Message": ""}},
        {"success": 0},
        {"success": "no"},
        {"success": None},
        {"ok": 0},
        {"valid": False},
        {"accepted": False},
        {"failed": True},
        {"failed": 1},
        {"rejected": ["O1"]},
        {"err": "x"},
        {"reason": "denied"},
        {"message": "Invalid cid"},
        {"message": "The conversion was rejected"},
        {"message": "Conversion not created"},
        {"details": ["no such click"]},
        {"data": {"message": "could not be saved"}},
        ["error: no"],
        "Error: x",
        False,
        b"Invalid cid",
        b"Bad request",
        b"rejected",
        b"System error",
        b"  Failure",
        b"400 Bad Request",
        b"Unable to save",
        b"Not found",
        b"no",
        b"<error>no</error>",
        b"<?xml version='1.0'?><Error>x</Error>",
        b"<response><status>rejected</status></response>",
    ],
)
def test_an_undocumented_body_that_looks_like_an_error_is_one(
    body: Any,
) -> None:
    assert looks_like_error(bytes_of(body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"1",
        b"true",
        b"null",
        b"created",
        b"No content",
        b"<response>ok</response>",
        b'{"created": NaN}',
        {},
        {"id": "c-1", "status": "APPROVED"},
        {"status": "PENDING"},
        {"status": "on_hold"},
        {"status": "ok"},
        {"status": 200},
        {"status": "200"},
        {"success": True, "message": "Conversion created"},
        {"success": "true"},
        {"accepted": 1, "rejected": 0},
        {"failed": [], "errors": [], "error": None},
        {"failed": "no"},
        {"message": "ok"},
        {"message": "Notification sent"},
        {"message": "Nobody was told"},
        {"message": "Created without errors"},
        {"message": "1 created, 0 failed"},
        {"result": "no errors"},
        {"result": "NO_ERROR"},
        {"level": "INFO"},
        {"type": "default"},
        {"code": 0, "message": ""},
        {"code": 0, "message": "x", "details": []},
        {"code": 1, "message": "success"},
        {"code": 3},
        {"code": 200, "message": "OK"},
        {"currency": {"code": "USD"}},
        {"conversionTypeCode": "failed_payment"},
        {"externalId": "error-7", "customParams": {"advS1": "rejected"}},
    ],
)
def test_a_body_of_a_success_does_not_look_like_an_error(body: Any) -> None:
    assert not looks_like_error(bytes_of(body))
    assert not reports_error(bytes_of(body))


@pytest.mark.parametrize("depth", [100_000])
def test_a_hostile_body_raises_no_exception(depth: int) -> None:
    assert not looks_like_error(b"[" * depth)
    assert not looks_like_error(b"[" * 900 + b"]" * 900)


def test_what_is_no_verdict_on_the_request_is_not_listened_to() -> None:
    state = b'{"status": "CONVERSION_STATUS_REJECTED"}'
    assert looks_like_error(state)
    assert not looks_like_error(state, ignored_prefixes=("CONVERSION_STATUS_",))
