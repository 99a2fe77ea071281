"""Formats the line that the sandbox prints for each request.

The line has the address and the outcome of the request. It never has its content: no
header, no query, no value of a field.
"""

import re
from collections.abc import Iterator

from pipelines.sandbox.journal import Entry

_MAX_ORDERS = 5
_MAX_REASONS = 3
_PRINTABLE_ORDER = re.compile(r"[^@]{1,64}")
_PRINTABLE_FIELD = re.compile(r"[A-Za-z_$][A-Za-z0-9_.\[\]$-]{0,79}")


def format_entry(entry: Entry) -> str:
    """Return the line: time, account, request, orders, status and reason."""
    account = f"/{entry.account}" if entry.account else ""
    words = [
        entry.at[11:19],
        f"{entry.provider}{account}",
        entry.method,
        entry.path_template,
        *_orders(entry.order_ids),
        "->",
        str(entry.status or "no reply"),
        _outcome(entry),
    ]
    return "".join(one if one.isprintable() else "?" for one in " ".join(words))


def _orders(order_ids: list[str]) -> Iterator[str]:
    for order_id in order_ids[:_MAX_ORDERS]:
        yield order_id if _PRINTABLE_ORDER.fullmatch(order_id) else "<order>"
    if len(order_ids) > _MAX_ORDERS:
        yield f"and {len(order_ids) - _MAX_ORDERS} more"


def _outcome(entry: Entry) -> str:
    fault = f", fault {entry.fault.partition(' ')[0]}" if entry.fault else ""
    if entry.applied:
        return f"taken{fault}"
    if entry.accepted:
        return ("a repeat" if entry.order_ids else "answered") + fault
    if entry.fault:
        return f"not taken{fault}"
    reasons = list(_reasons(entry.reply))
    more = (
        f"; and {len(reasons) - _MAX_REASONS} more"
        if len(reasons) > _MAX_REASONS
        else ""
    )
    return "; ".join([f"refused: {reasons[0]}", *reasons[1:_MAX_REASONS]]) + more


def _reasons(reply: object) -> Iterator[str]:
    """Yield `field: reason` from a reply of the sandbox."""
    body = reply if isinstance(reply, dict) else {}
    errors = body.get("errors")
    if isinstance(errors, list) and errors:
        for error in errors:
            yield _reason(str(error["field"]), str(error["message"]))
        return
    inner = body.get("error")
    message = inner.get("message") if isinstance(inner, dict) else body.get("message")
    parts = str(message or body.get("title") or "without a reason").split("; ")
    for part in parts:
        field, colon, why = part.rpartition(": ")
        # A field name that contains the separator was split, so that it is hidden.
        plain = part if len(parts) == 1 else "<field>"
        yield _reason(field, why) if colon else plain


def _reason(field: str, why: str) -> str:
    if not field:
        return why
    # A reply of Trackdesk begins with the reason: "reason (field: why".
    before, bracket, name = field.rpartition("(")
    safe = name if _PRINTABLE_FIELD.fullmatch(name) else "<field>"
    return f"{before}{bracket}{safe}: {why}"
