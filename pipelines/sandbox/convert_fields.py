"""The body of a Convert.com tracking request and what its fields may contain.

Sources: `convert-custom-integrations.txt` sections 3 and 4 (fields and values) and
`convert.md` section 3 (required fields, closed lists, from the specification). Ids are
strings, amounts are numbers, and what is empty is left out.
"""

from .checks import (
    Check,
    Problem,
    boolean,
    each,
    either,
    expected,
    mapping,
    number,
    one_of,
    opaque,
    pattern,
    record,
    text,
)

_SEGMENTS = record(
    {
        "browser": one_of("IE", "CH", "FF", "OP", "SF", "OTH"),
        "devices": each(
            one_of(
                *("ALLPH", "IPH", "OTHPH", "ALLTAB", "IPAD", "OTHTAB"),
                *("DESK", "OTHDEV"),
            )
        ),
        "source": one_of("campaign", "search", "referral", "direct", "ai_tool"),
        "visitorType": one_of("new", "returning"),
        "country": pattern("a two-letter ISO country code", "[A-Z]{2}"),
        "campaign": text(),
        "customSegments": each(text()),
    }
)
_DIMENSION = either(
    "a string, a number, or an array of strings of at most 32 characters",
    text(),
    number,
    each(text(32)),
)
_GOAL_VALUES: dict[str, Check] = {
    "amount": number,
    "productsCount": number,
    "transactionId": text(),
    **{f"customDimension{n}": _DIMENSION for n in range(1, 6)},
}
_GOAL_ENTRY = record(
    {"key": one_of(*_GOAL_VALUES), "value": expected("a value", lambda _: True)},
    required=("key", "value"),
)


def _goal_entry(value: object, path: str) -> list[Problem]:
    problems = _GOAL_ENTRY(value, path)
    if problems or not isinstance(value, dict):
        return problems
    return _GOAL_VALUES[value["key"]](value["value"], f"{path}.value")


_DATA = {
    "conversion": record(
        {
            "goalId": text(),
            "bucketingData": mapping(text()),
            "goalData": each(_goal_entry),
        },
        required=("goalId",),
    ),
    "bucketing": record(
        {"experienceId": text(), "variationId": text()},
        required=("experienceId", "variationId"),
    ),
}
_EVENT = record(
    {"eventType": one_of(*_DATA), "data": expected("a value", lambda _: True)},
    required=("eventType", "data"),
)


def _event(value: object, path: str) -> list[Problem]:
    problems = _EVENT(value, path)
    if problems or not isinstance(value, dict):
        return problems
    return _DATA[value["eventType"]](value["data"], f"{path}.data")


_VISITOR = record(
    {"visitorId": opaque(255), "segments": _SEGMENTS, "events": each(_event)},
    required=("visitorId", "events"),
)


def tracking(account: str, project: str | None) -> Check:
    """The whole body; where the path names account and project, the body's agree.

    Args:
        account: The account of the path, or its SDK key.
        project: The project of the path; None where the path has an SDK key.
    """
    return record(
        {
            "accountId": one_of(account) if project else text(),
            "projectId": one_of(project) if project else text(),
            "enrichData": boolean,
            "source": text(),
            "visitors": each(_VISITOR),
        },
        required=("visitors",),
    )
