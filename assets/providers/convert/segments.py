"""The segments of a Convert visitor, and the closed lists of their values.

A value outside its list is left out and recorded as a data issue. It is never
translated, because its meaning is unknown. Source: guide, section 3; `convert.md`,
section 3.2.
"""

import re
from collections.abc import Mapping, Sequence

from assets.providers.base import DataIssue
from assets.providers.conversion import Segments

CODES: Mapping[str, tuple[str, ...]] = {
    "browser": ("IE", "CH", "FF", "OP", "SF", "OTH"),
    "devices": (
        *("ALLPH", "IPH", "OTHPH", "ALLTAB", "IPAD", "OTHTAB"),
        *("DESK", "OTHDEV"),
    ),
    "source": ("campaign", "search", "referral", "direct", "ai_tool"),
    "visitorType": ("new", "returning"),
}
"""Field of Convert -> the values that it accepts."""

_COUNTRY = re.compile(r"[A-Z]{2}")
_CODE = re.compile(r"[A-Za-z0-9_]{1,12}")


def known_segments(segments: Segments | None) -> dict[str, object]:
    """Return the segments that may be sent; empty if none is known.

    Empty values and empty objects are left out (`convert.md`, section 3).
    """
    if segments is None:
        return {}
    known = {
        name: [one for one in values if _fits(name, one)]
        for name, values in _coded(segments).items()
    }
    found: dict[str, object] = {
        **{name: values[0] if values else None for name, values in known.items()},
        "devices": list(dict.fromkeys(known["devices"])),
        "campaign": _text(segments.campaign),
        "customSegments": [one for one in segments.custom_segments if _text(one)],
    }
    return {name: value for name, value in found.items() if value}


def segment_issues(segments: Segments | None) -> Sequence[DataIssue]:
    """Return the data issues of left-out values, which Convert does not know."""
    if segments is None:
        return ()
    unknown = {
        name: [one for one in values if not _fits(name, one)]
        for name, values in _coded(segments).items()
    }
    return [
        DataIssue(
            code="unknown_segment",
            subject=name,
            detail=f"left out: expected {_expected(name)}, got {_redacted(values)}",
        )
        for name, values in unknown.items()
        if values
    ]


def _coded(segments: Segments) -> dict[str, list[str]]:
    stored = {
        "browser": [segments.browser],
        "devices": segments.device,
        "source": [segments.source],
        "visitorType": [segments.visitor_type],
        "country": [segments.country],
    }
    return {name: [one for one in values if one] for name, values in stored.items()}


def _fits(name: str, value: str) -> bool:
    if name == "country":
        return _COUNTRY.fullmatch(value) is not None
    return value in CODES[name]


def _text(value: str | None) -> str | None:
    return value if value and not value.isspace() else None


def _expected(name: str) -> str:
    if name == "country":
        return "two capital letters"
    return "one of " + " ".join(CODES[name])


def _redacted(values: Sequence[str]) -> str:
    """Return codes as they are. Of other values, only the length may be stored."""
    return ", ".join(
        one if _CODE.fullmatch(one) else f"{len(one)} other characters"
        for one in values
    )
