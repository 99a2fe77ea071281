"""The fields of a Convert.com tracking request and their valid values.

Sources: `convert-custom-integrations.txt` sections 3 and 4 (fields and values) and
`convert.md` section 3 (required fields, closed lists, from the specification). Ids are
strings, amounts are numbers, and empty fields are left out.
"""

from collections.abc import Mapping

from pipelines.sandbox.field_checks import (
    Check,
    Problem,
    boolean,
    each,
    either,
    expected,
    mapping,
    number,
    one_of,
    pattern,
    record,
    text,
)

_DIMENSION_CHARACTERS = 32

_some_text = expected(
    "a string that is not blank",
    lambda value: isinstance(value, str) and bool(value.strip()),
)
_digits = pattern("a whole number as a string", "[0-9]+")
_not_personal = expected(
    "an opaque identifier that is no e-mail address",
    lambda value: isinstance(value, str) and bool(value.strip()) and "@" not in value,
)


def _distinct(check: Check, name: str) -> Check:
    """Return `check` for an array whose members must differ in `name`."""

    def check_array(value: object, path: str) -> list[Problem]:
        problems = check(value, path)
        if problems or not isinstance(value, list):
            return problems
        names = [member[name] for member in value]
        if len(set(names)) == len(names):
            return []
        return [Problem(path, f"expected each {name} once")]

    return check_array


def _selecting(
    check: Check, selector: str, name: str, checks: Mapping[str, Check]
) -> Check:
    """Return `check` for an object whose `selector` selects the check of `name`."""

    def check_object(value: object, path: str) -> list[Problem]:
        problems = check(value, path)
        if problems or not isinstance(value, dict):
            return problems
        return checks[value[selector]](value[name], f"{path}.{name}")

    return check_object


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
        "campaign": _some_text,
        "customSegments": each(_some_text),
    }
)
_DIMENSION = either(
    "a number, or a string or an array of strings of at most 32 characters",
    text(_DIMENSION_CHARACTERS),
    number,
    each(text(_DIMENSION_CHARACTERS)),
)
_GOAL_VALUES: dict[str, Check] = {
    "amount": number,
    "productsCount": number,
    "transactionId": either(
        "a string that is not blank, or a number", _some_text, number
    ),
    **{f"customDimension{n}": _DIMENSION for n in range(1, 6)},
}
_GOAL_ENTRY = _selecting(
    record(
        {"key": one_of(*_GOAL_VALUES), "value": expected("a value", lambda _: True)},
        required=("key", "value"),
    ),
    "key",
    "value",
    _GOAL_VALUES,
)
_DATA = {
    "conversion": record(
        {
            "goalId": _some_text,
            "bucketingData": mapping(_some_text),
            "goalData": _distinct(each(_GOAL_ENTRY), "key"),
        },
        required=("goalId",),
    ),
    "bucketing": record(
        {"experienceId": _some_text, "variationId": _some_text},
        required=("experienceId", "variationId"),
    ),
}
_EVENT = _selecting(
    record(
        {"eventType": one_of(*_DATA), "data": expected("a value", lambda _: True)},
        required=("eventType", "data"),
    ),
    "eventType",
    "data",
    _DATA,
)
_VISITOR = record(
    {"visitorId": _not_personal, "segments": _SEGMENTS, "events": each(_EVENT)},
    required=("visitorId", "events"),
)


def tracking(address: tuple[str, str] | None) -> Check:
    """Return the check of the body; its account and project must match the path.

    Args:
        address: Account and project in the path; None if it has an SDK key.
    """
    account, project = map(one_of, address) if address else (_digits, _digits)
    return record(
        {
            "accountId": account,
            "projectId": project,
            "enrichData": boolean,
            "source": _some_text,
            "visitors": _distinct(each(_VISITOR), "visitorId"),
        },
        required=("visitors",),
    )
