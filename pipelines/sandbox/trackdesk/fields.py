"""The fields of Trackdesk's two requests, and what is said where one is wrong.

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
_words = expected(
    "a string that is not blank",
    lambda value: isinstance(value, str) and bool(value.strip()),
)
_amount = pattern("a string such as '100' or '100.50'", r"[0-9]+(\.[0-9]+)?")

_CONVERSION: Check = record(
    {
        "cid": uuid,
        "externalCid": _words,
        "couponCodes": each(_words),
        "revenueOriginId": uuid,
        "conversionTypeCode": _words,
        "amount": record({"value": _amount}, required=("value",)),
        "currency": record({"code": currency}, required=("code",)),
        "externalId": _words,
        "customerId": _words,
        "status": one_of(*(f"CONVERSION_STATUS_{name}" for name in _STATUSES)),
        "customParams": record({f"advS{n}": _words for n in range(1, 6)}),
    },
    required=("conversionTypeCode",),
)
_LINK: Check = record(
    {"externalCid": _words, "revenueOriginId": uuid, "cid": uuid},
    required=("externalCid", "revenueOriginId", "cid"),
)
_REASONS = {
    "cid": "conversion source not found",
    "conversionTypeCode": "conversion type not found",
    "amount": "missing conversion amount",
    "currency": "unsupported currency",
}


def conversion_problem(body: object) -> str | None:
    """What is wrong with a conversion, or None."""
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


def link_problem(body: object) -> str | None:
    """What is wrong with a link, or None."""
    return _message(_LINK(body, ""))


def _message(problems: list[Problem]) -> str | None:
    """The known reason of the first problem, if it has one, and all that is wrong."""
    if not problems:
        return None
    reason = _REASONS.get(problems[0].field.partition(".")[0], "invalid request")
    return f"{reason} ({'; '.join(f'{field}: {what}' for field, what in problems)})"
