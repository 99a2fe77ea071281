"""Whether the body of a success speaks of a failure.

Two readings. `reports_error` is for a provider whose every complete success counts,
whatever it holds (Convert: `delivery.md`, section 5.1). `sounds_like_error` is for
those that publish no body of success: what sounds like an error is never taken for a
delivery (`trackdesk.md`, section 5; `idme.md`, section 5). Pure code.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from assets.providers.replies import read_json

_SERVER_OR_CLIENT_ERROR = range(400, 600)
_FAILURE_WORDS = frozenset({"error", "fail", "failed", "failure"})


def reports_error(body: bytes) -> bool:
    """Tell whether a JSON object in `body` says in so many words that it failed.

    `{"code": 200}` speaks of no failure. JSON that cannot be read is held against the
    sender where it names an error.
    """
    text = _without_mark(body)
    value = read_json(text)
    if value is None:
        return text.startswith((b"{", b"[")) and b'"error' in text.lower()
    return any(
        _is_failure(name.lower(), said)
        for found in _objects_in(value)
        for name, said in found.items()
    )


def sounds_like_error(body: bytes, *, unless: tuple[str, ...] = ()) -> bool:
    """Tell whether `body` sounds like a failure, in JSON, XML or plain words.

    Only what speaks of the request is listened to: a status, a message, a text without
    a name. What an order holds may be repeated under other names.

    Args:
        body: Of a complete success.
        unless: How values begin that are no verdict on the request.
    """
    if reports_error(body):
        return True
    text = _without_mark(body)
    value = read_json(text)
    if value is None:
        return _complains(text.decode(errors="replace"))
    if any(map(_is_rpc_status, _objects_in(value))):
        return True
    return any(
        _sounds_failed(name, said)
        for name, said in _told(value)
        if not (isinstance(said, str) and said.startswith(unless))
    )


def _without_mark(body: bytes) -> bytes:
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


def _told(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every value with its name; what stands in a list has the list's."""
    waiting = [("", value)]
    while waiting:
        name, said = waiting.pop()
        yield re.sub("[^a-z]", "", name.lower()), said
        if isinstance(said, dict):
            waiting.extend(said.items())
        elif isinstance(said, list):
            waiting.extend((name, one) for one in said)


def _is_failure(name: str, said: Any) -> bool:
    if "error" in name or "exception" in name:
        return bool(said)
    if name in {"success", "ok"}:
        return said is False or str(said).lower() == "false"
    if name in {"status", "result"} and isinstance(said, str):
        return said.lower() in _FAILURE_WORDS
    if name in {"status", "code", "statuscode", "status_code"}:
        return isinstance(said, int) and said in _SERVER_OR_CLIENT_ERROR
    return False


_YES = frozenset({"success", "successful", "succeeded", "ok", "valid", "accepted"})
_NO = frozenset(
    {"err", "failed", "failure", "failures", "rejected", "denied", "declined"}
)
_SPEAKING = frozenset(
    {
        *("", "status", "statuscode", "state", "result", "outcome", "code"),
        *("type", "level", "severity", "message", "msg", "reason", "title"),
        *("detail", "details"),
    }
)
_NAY = frozenset({"", "0", "false", "no", "none", "null"})


def _sounds_failed(name: str, said: Any) -> bool:
    if name in _YES:
        return _is_nay(said)
    if name in _NO:
        return not _is_nay(said)
    if name in _SPEAKING:
        return said is False or (isinstance(said, str) and _complains(said))
    return False


def _is_nay(said: Any) -> bool:
    return not said or str(said).strip().lower() in _NAY


_COMPLAINT = re.compile(
    # "no errors", "0 failed", "without error" are good news.
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
"""What a refusal says anywhere, and how it begins; the names of gRPC's codes too."""


def _complains(text: str) -> bool:
    return bool(_COMPLAINT.search(re.sub("[^a-z0-9]+", " ", text.lower()).strip()))


_RPC_CODES = frozenset(map(str, range(1, 17)))
_GOOD_NEWS = ("ok", "success", "created")


def _is_rpc_status(found: Mapping[str, Any]) -> bool:
    """Tell whether it is `{"code": 3, "message": "...", "details": []}`.

    Gateways from gRPC to JSON answer so; Trackdesk's behaves like one (`trackdesk.md`,
    section 2).
    """
    told = {name.lower(): str(said) for name, said in found.items()}
    if told.get("code") not in _RPC_CODES or not told.keys() & {"message", "details"}:
        return False
    return not told.get("message", "").lower().startswith(_GOOD_NEWS)
