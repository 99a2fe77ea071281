"""The replies of faults that keep a request from the provider.

Other faults change how the reply is sent (`responses.py`), or how a submission ends
(`impact`).
"""

from pipelines.sandbox.faults import Fault
from pipelines.sandbox.messages import Reply
from pipelines.sandbox.provider import Provider

_LOGIN_PAGE = (
    "<!DOCTYPE html><html><head><title>Sign in</title></head>"
    "<body><form method='post' action='/login'>Please sign in</form></body></html>"
)
_INJECTED = "fault injected by the sandbox"
_HOURLY_LIMIT = "1000"


def fault_reply(fault: Fault, provider: Provider) -> Reply | None:
    """Return the reply of a fault that keeps the request from the provider, or None."""
    if fault.kind == "status":
        return _status(fault.value, provider)
    if fault.kind == "rate_limit":
        return _rate_limit(fault.value or "1", provider)
    if fault.kind == "error_in_200":
        return Reply(200, provider.failure(500, fault.value or _INJECTED))
    if fault.kind == "html":
        return Reply(200, _LOGIN_PAGE)
    if fault.kind == "drop":
        return Reply(200, None)
    return None


def _status(value: str, provider: Provider) -> Reply:
    numbers, _, message = value.partition(" ")
    code, _, seconds = numbers.partition(",")
    headers = {"Retry-After": seconds} if seconds else {}
    body = provider.failure(int(code), message or _INJECTED)
    return Reply(int(code), body, headers)


def _rate_limit(seconds: str, provider: Provider) -> Reply:
    """Return 429 with the headers of impact.com's Rate Limits page and Retry-After."""
    headers = {
        "Retry-After": seconds,
        "X-RateLimit-Limit": _HOURLY_LIMIT,
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": seconds,
    }
    return Reply(429, provider.failure(429, "rate limit exceeded"), headers)
