"""Table `identifier_count`: a day is compared with the counted days before it."""

from datetime import UTC, date, datetime, timedelta

from assets.ledger.database import Database
from assets.ledger.identifier_counts import (
    BASELINE_DAYS,
    IdentifierCount,
    UsualCount,
    replace_identifier_counts,
    usual_counts,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FIRST = date(2026, 1, 1)


def count(database: Database, day: date, *counts: IdentifierCount) -> None:
    replace_identifier_counts(database, day.isoformat(), counts, NOW)


def test_only_the_days_before_count_and_only_the_last_ones(database: Database) -> None:
    days = [FIRST + timedelta(days=number) for number in range(BASELINE_DAYS + 3)]
    for day in days:
        count(database, day, IdentifierCount("click", 10, 1))
    count(database, days[-2], IdentifierCount("click", 10, 10))
    usual = usual_counts(database, days[-1].isoformat())
    rows = 10 * BASELINE_DAYS
    assert usual == {"click": UsualCount(BASELINE_DAYS, rows, BASELINE_DAYS + 9)}
    assert usual_counts(database, FIRST.isoformat()) == {}


def test_a_day_that_is_run_again_is_counted_once(database: Database) -> None:
    count(database, FIRST, IdentifierCount("click", 5, 5), IdentifierCount("cid", 1, 0))
    count(database, FIRST, IdentifierCount("click", 5, 0))
    usual = usual_counts(database, "2026-01-02")
    assert usual == {"click": UsualCount(1, 5, 0)}
    assert usual["click"].matched_share == 1
