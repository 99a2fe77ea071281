"""The asset check `orphan_identifiers`: too many orphans, and lost kinds."""

import dagster as dg
import pytest

from assets.checks.orphan_identifiers import orphan_identifiers
from assets.ledger.identifier_counts import IdentifierCount, UsualCount
from assets.thresholds import OrphanIdentifiers

KIND = "impact_click_id"
ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
USUAL = UsualCount(days=28, rows=280, orphans=0)


def check(
    rows: int, orphans: int, usual: UsualCount | None = USUAL, **limit: object
) -> dg.AssetCheckResult:
    return orphan_identifiers(
        dg.AssetKey("conversions"),
        "2026-01-02",
        [IdentifierCount(KIND, rows, orphans)],
        {} if usual is None else {KIND: usual},
        OrphanIdentifiers.model_validate(limit),
    )


@pytest.mark.parametrize(
    ("rows", "orphans", "usual", "severity"),
    [
        (100, 5, USUAL, None),
        (100, 6, USUAL, WARN),
        (4, 3, USUAL, None),
        (1, 1, USUAL, ERROR),
        (100, 100, USUAL, ERROR),
        (100, 100, None, WARN),
        (4, 4, None, None),
        (100, 100, UsualCount(days=2, rows=20), WARN),
        (100, 100, UsualCount(days=28, rows=280, orphans=280), WARN),
        (1, 1, UsualCount(days=28, rows=280, orphans=140), None),
        (2, 2, UsualCount(days=28, rows=280, orphans=140), ERROR),
    ],
)
def test_a_day_is_compared_with_the_threshold_and_with_the_days_before(
    rows: int,
    orphans: int,
    usual: UsualCount | None,
    severity: dg.AssetCheckSeverity | None,
) -> None:
    result = check(rows, orphans, usual)
    assert result.passed is (severity is None)
    if severity:
        assert result.severity is severity


def test_the_text_says_what_was_found_and_what_to_do() -> None:
    text = check(7, 7).description
    assert text is not None
    assert text.startswith("2026-01-02: expected rows that name an order or visitor")
    assert f"got 7 of 7 {KIND} that name none. Compare the ids" in text
    assert "at most 5.0% of the rows" in (check(100, 50).description or "")


def test_the_figures_are_shown_whether_it_passes_or_not() -> None:
    for orphans in (0, 50):
        metadata = check(100, orphans).metadata
        assert metadata[f"{KIND}, rows"].value == 100
        assert metadata[f"{KIND}, orphans"].value == orphans
        assert metadata["partition"].value == "2026-01-02"


def test_severity_and_threshold_are_configured() -> None:
    assert check(7, 7, severity="off").passed
    assert check(100, 50, max=0.5).passed
    assert check(100, 50, at_least=51).passed
    assert check(100, 50, severity="error").severity is ERROR
