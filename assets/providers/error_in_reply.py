"""Detects errors in the body of a reply with a success status.

`reports_error` is for a provider whose complete 2xx counts with any body (Convert:
`delivery.md`, section 5.1). `looks_like_error` is for providers that publish no body of
a success: a body that may be an error is never a delivery (`trackdesk.md`, section 5;
`idme.md`, section 5). Pure code.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from assets.providers.replies import read_json

_SERVER_OR_CLIENT_ERROR = range(400, 600)
_FAILURE_WORDS = frozenset({"error", "fail", "failed", "failure"})


def reports_error(body: bytes) -> bool:
    """Tell whether a JSON object in `body` reports an error explicitly.

    `{"code": 200}` is no error. Broken JSON is an error if it contains `"error`.
    """
    text = _without_bom(body)
    value = read_json(text)
    if value is None:
        return text.startswith((b"{", b"[")) and b'"error' in text.lower()
    return any(
        _is_failure(name.lower(), value)
        for found in _objects_in(value)
        for name, value in found.items()
    )


def looks_like_error(body: bytes, *, ignored_prefixes: tuple[str, ...] = ()) -> bool:
    """Tell whether `body` looks like a failure, in JSON, XML or plain text.

    Only values about the request count: a status, a message, a text without a name.
    Other values may repeat data of the order.

    Args:
        body: The body of a complete 2xx.
        ignored_prefixes: Prefixes of values that do not describe the request.
    """
    if reports_error(body):
        return True
    text = _without_bom(body)
    value = read_json(text)
    if value is None:
        return _reads_as_failure(text.decode(errors="replace"))
    if any(map(_is_rpc_status, _objects_in(value))):
        return True
    return any(
        _value_means_failure(name, value)
        for name, value in _named_values(value)
        if not (isinstance(value, str) and value.startswith(ignored_prefixes))
    )


def _without_bom(body: bytes) -> bytes:
    return body.removeprefix(b"\xef\xbb\xbf").lstrip()


def _objects_in(value: Any) -> Iterator[Mapping[str, Any]]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def _named_values(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every value with its name. A member of a list has the name of the list."""
    waiting = [("", value)]
    while waiting:
        name, value = waiting.pop()
        yield re.sub("[^a-z]", "", name.lower()), value
        if isinstance(value, dict):
            waiting.extend(value.items())
        elif isinstance(value, list):
            waiting.extend((name, one) for one in value)


def _is_failure(name: str, value: Any) -> bool:
    if "error" in name or "exception" in name:
        return bool(value)
    if name in {"success", "ok"}:
        return value is False or str(value).lower() == "false"
    if name in {"status", "result"} and isinstance(value, str):
        return value.lower() in _FAILURE_WORDS
    if name in {"status", "code", "statuscode", "status_code"}:
        return isinstance(value, int) and value in _SERVER_OR_CLIENT_ERROR
    return False


_SUCCESS_FIELDS = frozenset(
    {"success", "successful", "succeeded", "ok", "valid", "accepted"}
)
_FAILURE_FIELDS = frozenset(
    {"err", "failed", "failure", "failures", "rejected", "denied", "declined"}
)
_STATUS_FIELDS = frozenset(
    {
        *("", "status", "statuscode", "state", "result", "outcome", "code"),
        *("type", "level", "severity", "message", "msg", "reason", "title"),
        *("detail", "details"),
    }
)
_FALSE_TEXTS = frozenset({"", "0", "false", "no", "none", "null"})


def _value_means_failure(name: str, value: Any) -> bool:
    if name in _SUCCESS_FIELDS:
        return _is_falsy(value)
    if name in _FAILURE_FIELDS:
        return not _is_falsy(value)
    if name in _STATUS_FIELDS:
        return value is False or (isinstance(value, str) and _reads_as_failure(value))
    return False


def _is_falsy(value: Any) -> bool:
    return not value or str(value).strip().lower() in _FALSE_TEXTS


_FAILURE_TEXT = re.compile(
    # "no errors", "0 failed" and "without error" are no failures.
    r"(?<!\bno )(?<!\bno)(?<!\b0 )(?<!\bwithout )"
    r"(error|fail|exception|invalid|reject|refus|denied|declin|forbidden|unauth"
    r"|unsupported|unprocess|exceeded|exhausted|bad request)"
    r"|\bnot ?(found|allowed|accepted|supported|processed|created|recorded|valid)\b"
    r"|^(no(?! (errors?|failures?|problems?|issues?|warnings?|content)\b)|not|cannot"
    r"|can t|could not|couldn t|unable|unknown|unavailable|unexpected|unimplemented"
    r"|missing|wrong|bad|aborted|cancell?ed|expired|blocked|disabled|too many"
    r"|out of range|data loss|false|[45][0-9]{2})\b"
    r"|^internal$"
)
"""Words of a failure anywhere, and at the beginning; also the names of gRPC codes."""


def _reads_as_failure(text: str) -> bool:
    return bool(_FAILURE_TEXT.search(re.sub("[^a-z0-9]+", " ", text.lower()).strip()))


_RPC_CODES = frozenset(map(str, range(1, 17)))
_SUCCESS_PREFIXES = ("ok", "success", "created")


def _is_rpc_status(found: Mapping[str, Any]) -> bool:
    """Tell whether an object looks like `{"code": 3, "message": "...", "details": []}`.

    Gateways from gRPC to JSON reply like this. Trackdesk's behaves like one
    (`trackdesk.md`, section 2).
    """
    members = {name.lower(): str(value) for name, value in found.items()}
    if members.get("code") not in _RPC_CODES or not members.keys() & {
        "message",
        "details",
    }:
        return False
    return not members.get("message", "").lower().startswith(_SUCCESS_PREFIXES)
