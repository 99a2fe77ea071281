"""The fields of Trackdesk's two requests, and the messages about invalid ones.

Sources: `trackdesk-manual-conversions.txt` sections 2 and 3, `trackdesk.md` sections 3
(types, exclusions) and 5 (reasons). No length is published for any text.
"""

from pipelines.sandbox.field_checks import (
    Check,
    Problem,
    currency,
    each,
    expected,
    one_of,
    pattern,
    record,
    uuid,
)

IDENTIFIERS = ("cid", "externalCid", "couponCodes")
_STATUSES = (
    *("APPROVED", "PENDING", "ON_HOLD", "REJECTED"),
    *("REFUNDED", "TEST", "FRAUD", "NOT_ALLOWED"),
)
_filled = expected(
    "a string that is not blank",
    lambda value: isinstance(value, str) and bool(value.strip()),
)
_amount = pattern("a string such as '100' or '100.50'", r"[0-9]+(\.[0-9]+)?")

_CONVERSION: Check = record(
    {
        "cid": uuid,
        "externalCid": _filled,
        "couponCodes": each(_filled),
        "revenueOriginId": uuid,
        "conversionTypeCode": _filled,
        "amount": record({"value": _amount}, required=("value",)),
        "currency": record({"code": currency}, required=("code",)),
        "externalId": _filled,
        "customerId": _filled,
        "status": one_of(*(f"CONVERSION_STATUS_{name}" for name in _STATUSES)),
        "customParams": record({f"advS{n}": _filled for n in range(1, 6)}),
    },
    required=("conversionTypeCode",),
)
_LINK: Check = record(
    {"externalCid": _filled, "revenueOriginId": uuid, "cid": uuid},
    required=("externalCid", "revenueOriginId", "cid"),
)
_REASONS = {
    "cid": "conversion source not found",
    "conversionTypeCode": "conversion type not found",
    "amount": "missing conversion amount",
    "currency": "unsupported currency",
}


def conversion_problem(body: object) -> str | None:
    """Return the problem of a conversion, or None."""
    problems = _CONVERSION(body, "")
    given = body if isinstance(body, dict) else {}
    named = [name for name in IDENTIFIERS if name in given]
    if len(named) != 1:
        which = f"expected exactly one of {', '.join(IDENTIFIERS)}"
        problems.append(Problem("", which))
    elif named != ["cid"] and "revenueOriginId" not in given:
        missing = f"required with {named[0]}"
        problems.append(Problem("revenueOriginId", missing))
    return _message(problems)


def external_cid_conversion_problem(body: object) -> str | None:
    """Return the problem of a conversion at the address of links, or None.

    The manual prints this address for a conversion by external cid, and for no other.
    """
    problem = conversion_problem(body)
    if problem is None and isinstance(body, dict) and "externalCid" not in body:
        return _message([Problem("externalCid", "required field is missing")])
    return problem


def link_problem(body: object) -> str | None:
    """Return the problem of a link, or None."""
    return _message(_LINK(body, ""))


def _message(problems: list[Problem]) -> str | None:
    """Return the documented reason of the first problem, and all problems."""
    if not problems:
        return None
    reason = _REASONS.get(problems[0].field.partition(".")[0], "invalid request")
    return f"{reason} ({'; '.join(f'{field}: {what}' for field, what in problems)})"
