"""What is refused has a documented reason, and is refused before a table would."""

from assets.joining.conversion_checks import ORPHAN
from assets.ledger.tables import data_issue, delivery, quarantine_row
from assets.validation.chunk import PII_IN_EXTRA
from assets.validation.coercion import (
    AMBIGUOUS_TIME,
    AMOUNT_PRECISION,
    AMOUNT_TOO_LARGE,
    NAIVE_TIME,
)
from assets.validation.row_checks import ID_LENGTH
from assets.validation.schemas import EXTRACTS, JOINED_ORDERS
from support.project import ROOT


def test_ids_are_as_long_as_their_columns() -> None:
    columns = [
        delivery.c.order_id,
        quarantine_row.c.order_id,
        data_issue.c.order_id,
        data_issue.c.subject,
    ]
    assert {one.type.length for one in columns} == {ID_LENGTH}


def test_every_reason_of_a_check_is_documented() -> None:
    page = (ROOT / "docs" / "delivery-tables.md").read_text()
    checks = [
        one
        for schema in (*EXTRACTS.values(), JOINED_ORDERS)
        for held in (schema, *schema.columns.values())
        for one in held.checks
    ]
    reasons = {str(one.name) for one in checks} | {
        *(NAIVE_TIME, AMBIGUOUS_TIME, AMOUNT_PRECISION, AMOUNT_TOO_LARGE),
        PII_IN_EXTRA,
        ORPHAN.reason,
    }
    for reason in reasons:
        generic = reason.startswith(("unreadable_", "missing_"))
        assert generic or f"`{reason}`" in page, reason
