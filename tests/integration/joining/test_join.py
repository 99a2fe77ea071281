"""The join of the staged extracts: one test for each rule of what counts when."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import assets.joining.join
import sql
from assets.deliveries import staged_chunks
from assets.joining.join import JoinError, JoinResult, join
from assets.providers.conversion import Conversion
from assets.staging import Staging, StagingError
from assets.validation.chunk import validate
from assets.validation.folded_values import Issue
from assets.validation.refused_rows import refused_writer
from assets.validation.rejects import Reject
from assets.validation.schemas import (
    CONVERSIONS,
    EXTRACTS,
    arrow_schema,
    contract_columns,
)

DAY = "2026-01-02"
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
EXTRA = frozenset({"store", "gift"})
Row = dict[str, Any]


def order(order_id: str = "o-1", **changes: Any) -> Row:
    return {
        "order_id": order_id,
        "completed_at": NOON,
        "visitor_id": "v-1",
        "currency": "USD",
        "total": "13.50",
        "revenue": "10.00",
        "discount": 0,
        "shipping": "2.50",
        "tax": "1.00",
        "is_test": False,
    } | changes


def item(
    line_no: int = 1, order_id: str = "o-1", subtotal: Any = 10, **changes: Any
) -> Row:
    return {
        "order_id": order_id,
        "line_no": line_no,
        "sku": f"s-{line_no}",
        "quantity": 1,
        "unit_price": subtotal,
        "subtotal": subtotal,
        "discount": 0,
    } | changes


def click(value: str, ago: timedelta = HOUR, **changes: Any) -> Row:
    return {
        "visitor_id": "v-1",
        "kind": "impact_click_id",
        "value": value,
        "captured_at": NOON - ago,
    } | changes


def exposure(variation: str, ago: timedelta = HOUR, **changes: Any) -> Row:
    return {
        "visitor_id": "v-1",
        "experience_id": "e-1",
        "variation_id": variation,
        "bucketed_at": NOON - ago,
    } | changes


def segments(browser: str, ago: timedelta = HOUR) -> Row:
    return {"visitor_id": "v-1", "browser": browser, "captured_at": NOON - ago}


def issue(code: str, subject: str, detail: str | None = None) -> Issue:
    return {"order_id": "o-1", "code": code, "subject": subject, "detail": detail}


class Joined:
    """The staged rows of one partition, joined."""

    def __init__(self, root: Path, tables: dict[str, list[Row]], **options: Any):
        self.staging = Staging(root)
        for name, schema in EXTRACTS.items():
            self._stage(name, tables.get(name, []), arrow_schema(schema))
        self.rejects: list[Reject] = []
        self.issues: list[Issue] = []
        self.result: JoinResult = join(
            self.staging,
            DAY,
            on_rejects=self.rejects.extend,
            on_issues=self.issues.extend,
            **options,
        )
        batches = self.staging.read("conversions", DAY)
        self.rows = [row for batch in batches for row in batch.to_pylist()]

    def _stage(self, name: str, rows: list[Row], schema: Any) -> None:
        with (
            self.staging.writer(name, DAY, schema) as writer,
            refused_writer(self.staging, name, DAY) as refused,
        ):
            if rows:
                empty = dict.fromkeys(contract_columns(name))
                frame = pd.DataFrame([empty | row for row in rows], dtype=object)
                checked = validate(frame, name, DAY, extra_columns=EXTRA)
                assert refused or checked.rejects == []
                writer.write_table(checked.good)
                if refused:
                    refused.write(checked.refused_rows)

    @property
    def conversion(self) -> Conversion:
        (row,) = self.rows
        return Conversion.from_row(row)

    @property
    def reasons(self) -> tuple[str, ...]:
        assert self.rows == []
        (reject,) = self.rejects
        return reject.reasons


Join = Callable[..., Joined]


@pytest.fixture
def joined(tmp_path: Path) -> Join:
    """Joins one order with one line, and what else is named."""

    def run(
        orders: list[Row] | None = None,
        items: list[Row] | None = None,
        identifiers: list[Row] | None = None,
        bucketing: list[Row] | None = None,
        stored_segments: list[Row] | None = None,
        **options: Any,
    ) -> Joined:
        tables = {
            "completed_orders": [order()] if orders is None else orders,
            "order_items": [item()] if items is None else items,
            "visitor_identifiers": identifiers or [],
            "visitor_bucketing": bucketing or [],
            "visitor_segments": stored_segments or [],
        }
        return Joined(tmp_path, tables, **options)

    return run


def test_an_order_becomes_a_conversion(joined: Join) -> None:
    outcome = joined(
        orders=[order(store=7)],
        items=[item(2, subtotal=4, gift=1), item(1, subtotal=6)],
    )
    found = outcome.conversion
    assert found.completed_at == NOON
    assert (found.revenue, found.currency, found.currency_digits) == (10, "USD", 2)
    assert [one.line_no for one in found.items] == [1, 2]
    assert found.items[1].extra == {"gift": "1"}
    assert found.extra == {"store": "7"}
    assert found.segments is None
    assert outcome.result == JoinResult(1, 0, {"USD": (1, 1000)})


def test_the_file_has_the_schema_of_conversions(joined: Join) -> None:
    (batch,) = joined().staging.read("conversions", DAY)
    assert batch.schema.equals(arrow_schema(CONVERSIONS))


def test_a_day_without_orders_has_an_empty_file(joined: Join) -> None:
    outcome = joined(orders=[], items=[])
    assert (outcome.rows, outcome.result) == ([], JoinResult(0, 0, {}))


def test_orders_come_in_binary_order_whatever_the_slices(
    joined: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets.joining.join, "SLICE_ORDERS", 2)
    ids = ["b", "a", "Z", "é", "10", "9"]
    outcome = joined(
        orders=[order(one) for one in ids], items=[item(order_id=one) for one in ids]
    )
    assert [row["order_id"] for row in outcome.rows] == sorted(ids)
    assert outcome.result.totals == {"USD": (6, 6000)}


def test_the_latest_identifier_before_the_order_counts(joined: Join) -> None:
    clicks = [click("old", 9 * HOUR), click("new"), click("after", -HOUR)]
    assert joined(identifiers=clicks).conversion.identifiers == {
        "impact_click_id": "new"
    }


def test_an_identifier_captured_with_the_order_counts(joined: Join) -> None:
    clicks = [click("now", timedelta())]
    assert joined(identifiers=clicks).rows[0]["impact_click_id"] == "now"


def test_an_identifier_of_the_order_beats_a_later_one_of_the_visitor(
    joined: Join,
) -> None:
    clicks = [click("later"), click("bound", 9 * HOUR, order_id="o-1")]
    assert joined(identifiers=clicks).rows[0]["impact_click_id"] == "bound"


def test_an_identifier_of_another_order_does_not_count(joined: Join) -> None:
    assert joined(identifiers=[click("x", order_id="o-2")]).conversion.identifiers == {}


def test_identifiers_of_the_same_time_are_decided_by_their_value(joined: Join) -> None:
    clicks = [click("a"), click("c"), click("b")]
    assert joined(identifiers=clicks).rows[0]["impact_click_id"] == "c"


BEFORE_ALL = 20 * HOUR
UNREADABLE = {"captured_at": datetime(2026, 1, 2, 11)}  # noqa: DTZ001
PERSONAL = {"value": "jane@example.org"}
UNFIT = {
    "a time that cannot be read": (UNREADABLE, "naive_time"),
    "a time that stands for unknown": (
        {"captured_at": datetime(1970, 1, 1, tzinfo=UTC)},
        "placeholder_time",
    ),
    "no time": ({"captured_at": None}, "missing_captured_at"),
    "a personal value": (PERSONAL, "pii_as_id"),
    "a personal value in the moment of the other": (
        PERSONAL | {"captured_at": NOON - 9 * HOUR},
        "pii_as_id",
    ),
    "a personal value in the moment of the order": (
        PERSONAL | {"captured_at": NOON},
        "pii_as_id",
    ),
    "bound to the order, older": (
        PERSONAL | {"order_id": "o-1", "captured_at": NOON - BEFORE_ALL},
        "pii_as_id",
    ),
    "bound to the order, of nobody": (
        PERSONAL | {"order_id": "o-1", "visitor_id": None},
        "pii_as_id",
    ),
    "perhaps bound to the order, older": (
        {"order_id": "o-1\0", "captured_at": NOON - BEFORE_ALL},
        "unreadable_order_id",
    ),
    "bound to the order, of another visitor": (
        {"order_id": "o-1", "visitor_id": "v-2", "captured_at": NOON - BEFORE_ALL},
        "other_visitor",
    ),
    "two things at once": (PERSONAL | UNREADABLE, "naive_time, pii_as_id"),
}
NO_MATTER = {
    "older": PERSONAL | {"captured_at": NOON - BEFORE_ALL},
    "after the order": PERSONAL | {"captured_at": NOON + HOUR},
    "of another visitor": PERSONAL | {"visitor_id": "v-2"},
    "of another order": PERSONAL | {"order_id": "o-2"},
    "of an order that is personal": {"order_id": "jane@example.org"},
    "of a visitor who is personal": {"visitor_id": "jane@example.org"},
    "of no known kind": {"kind": "gclid"} | UNREADABLE,
    "of no kind": {"kind": None},
    "a value that stands for none": {"value": "(not set)"},
    "a value that stands for none, at no time": {"value": "0", "captured_at": None},
    "no value": {"value": None},
    "a blank value": {"value": " \u200b"},
    "no value, bound to the order": {"value": None, "order_id": "o-1"},
    "bound to the order, of another visitor, after it": {
        "order_id": "o-1",
        "visitor_id": "v-2",
        "captured_at": NOON + HOUR,
    },
}


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("refused", "why"), UNFIT.values(), ids=UNFIT)
def test_a_refused_row_that_may_be_the_latest_leaves_its_kind_out(
    joined: Join, refused: Row, why: str
) -> None:
    stored = [
        click("the one before", 9 * HOUR),
        click("new") | refused,
        click("another", kind="trackdesk_cid"),
    ]
    outcome = joined(identifiers=stored)
    found = outcome.conversion
    assert found.identifiers == {"trackdesk_cid": "another"}
    assert found.unfit_identifiers == {"impact_click_id": why}
    assert outcome.issues == [issue("unfit_identifier", "impact_click_id", why)]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("refused", NO_MATTER.values(), ids=NO_MATTER)
def test_a_refused_row_that_is_not_the_latest_changes_nothing(
    joined: Join, refused: Row
) -> None:
    outcome = joined(identifiers=[click("old", 9 * HOUR), click("new") | refused])
    found = outcome.conversion
    assert found.identifiers == {"impact_click_id": "old"}
    assert (found.unfit_identifiers, outcome.issues) == ({}, [])


@pytest.mark.parametrize("refused", [UNREADABLE, PERSONAL], ids=["time", "value"])
def test_what_is_bound_to_the_order_counts_whatever_is_refused_of_the_visitor(
    joined: Join, refused: Row
) -> None:
    stored = [click("bound", 9 * HOUR, order_id="o-1"), click("new") | refused]
    found = joined(identifiers=stored).conversion
    assert found.identifiers == {"impact_click_id": "bound"}
    assert found.unfit_identifiers == {}


def test_a_later_row_of_the_order_outdoes_one_that_names_another_visitor(
    joined: Join,
) -> None:
    stored = [
        click("of another", 9 * HOUR, order_id="o-1", visitor_id="v-2"),
        click("bound", order_id="o-1"),
    ]
    found = joined(identifiers=stored).conversion
    assert found.identifiers == {"impact_click_id": "bound"}
    assert found.unfit_identifiers == {}


def test_an_order_of_no_known_visitor_takes_what_is_bound_to_it(joined: Join) -> None:
    outcome = joined(
        orders=[order(visitor_id=None)], identifiers=[click("bound", order_id="o-1")]
    )
    assert outcome.conversion.identifiers == {"impact_click_id": "bound"}


UNFIT_EXPOSURES = {
    "no variation": {"variation_id": None},
    "another variation, unreadable": {"variation_id": 1.5},
    "another variation, too long": {"variation_id": "y" * 129},
    "another variation, perhaps before": {
        "variation_id": "y",
        "bucketed_at": datetime(2026, 1, 2, 11),  # noqa: DTZ001
    },
    "another variation, at no known time": {
        "variation_id": "y",
        "bucketed_at": datetime(1970, 1, 1, tzinfo=UTC),
    },
}


@pytest.mark.sampled(4)
@pytest.mark.parametrize("others", [True, False], ids=["among others", "alone"])
@pytest.mark.parametrize("refused", UNFIT_EXPOSURES.values(), ids=UNFIT_EXPOSURES)
def test_a_refused_exposure_that_may_contradict_leaves_its_experience_out(
    joined: Join, refused: Row, others: bool
) -> None:
    known = [exposure("x", 9 * HOUR)] if others else []
    seen = [exposure("y") | refused, exposure("z", experience_id="e-2"), *known]
    outcome = joined(bucketing=seen)
    assert outcome.conversion.bucketing == {"e-2": "z"}
    assert outcome.conversion.unfit_experiences == ("e-1",)
    assert outcome.conversion.bucketing_conflicts == ()
    assert outcome.issues == [issue("unfit_exposure", "e-1")]


@pytest.mark.parametrize(
    "refused",
    [
        {"bucketed_at": datetime(2026, 1, 2, 1)},  # noqa: DTZ001
        {"variation_id": None, "bucketed_at": NOON + HOUR},
        {"variation_id": None, "visitor_id": "v-2"},
        {"variation_id": "y", "visitor_id": "jane@example.org"},
        {"variation_id": "y", "experience_id": None},
    ],
    ids=["same variation", "after", "other visitor", "personal", "no experience"],
)
def test_a_refused_exposure_that_changes_nothing_does_not_matter(
    joined: Join, refused: Row
) -> None:
    outcome = joined(bucketing=[exposure("x", 9 * HOUR), exposure("x") | refused])
    assert outcome.conversion.bucketing == {"e-1": "x"}
    assert (outcome.conversion.unfit_experiences, outcome.issues) == ((), [])


def test_two_variations_contradict_each_other_whatever_is_refused_besides(
    joined: Join,
) -> None:
    seen = [exposure("x"), exposure("y"), exposure("z") | {"variation_id": None}]
    assert joined(bucketing=seen).issues == [issue("bucketing_conflict", "e-1")]


def test_an_experience_too_long_to_be_kept_is_left_out_under_its_hash(
    joined: Join,
) -> None:
    outcome = joined(bucketing=[exposure("x", experience_id="e" * 129)])
    (left_out,) = outcome.conversion.unfit_experiences
    assert re.fullmatch(r"sha256:\w{12}", left_out)


def test_refused_exposures_are_looked_for_under_the_convert_visitor_id(
    joined: Join,
) -> None:
    outcome = joined(
        identifiers=[click("cv-1", kind="convert_visitor_id")],
        bucketing=[
            exposure("x") | {"variation_id": None},
            exposure("convert", visitor_id="cv-1"),
        ],
    )
    assert outcome.conversion.bucketing == {"e-1": "convert"}


@pytest.mark.parametrize(
    "changed",
    [
        {"identifiers": [click("x") | PERSONAL]},
        {"bucketing": [exposure("x") | {"variation_id": None}]},
    ],
    ids=["identifiers", "bucketing"],
)
def test_the_source_hash_changes_with_what_is_refused(
    joined: Join, changed: dict[str, list[Row]]
) -> None:
    first = joined().rows[0]["source_hash"]
    assert joined(**changed).rows[0]["source_hash"] != first


def test_nothing_personal_is_staged_of_a_refused_row(joined: Join) -> None:
    stored = [
        click("jane@example.org"),
        click("x", visitor_id="joe@example.org"),
        click("x", order_id="jim@example.org"),
    ]
    outcome = joined(identifiers=stored)
    refused = list(outcome.staging.read("refused_visitor_identifiers", DAY))
    assert sum(len(batch) for batch in refused) == 3
    assert "@" not in str([batch.to_pylist() for batch in refused])


def test_the_first_exposure_before_the_order_counts(joined: Join) -> None:
    seen = [exposure("x"), exposure("x", 9 * HOUR), exposure("y", -HOUR)]
    outcome = joined(bucketing=seen)
    assert outcome.conversion.bucketing == {"e-1": "x"}
    assert outcome.issues == []


def test_each_variation_has_the_latest_time_at_which_it_was_seen(joined: Join) -> None:
    seen = [
        exposure("x", 9 * HOUR),
        exposure("x", 2 * HOUR),
        exposure("x", -HOUR),
        exposure("y", 3 * HOUR),
    ]
    found = joined(bucketing=seen).conversion.exposures
    assert [(one.variation_id, one.last_at, one.refused_at) for one in found] == [
        ("x", NOON - 2 * HOUR, None),
        ("y", NOON - 3 * HOUR, None),
    ]


@pytest.mark.parametrize(
    ("refused", "refused_at"),
    [
        ({"variation_id": None}, NOON - HOUR),
        ({"bucketed_at": datetime(2026, 1, 2, 1), "variation_id": "y"}, NOON),  # noqa: DTZ001
        ({"bucketed_at": datetime(2026, 1, 2, 1)}, None),  # noqa: DTZ001
        ({"variation_id": None, "visitor_id": "v-2"}, None),
    ],
    ids=["no variation", "no time", "same variation", "other visitor"],
)
def test_an_exposure_has_the_time_of_a_refused_row_that_may_contradict_it(
    joined: Join, refused: Row, refused_at: datetime | None
) -> None:
    outcome = joined(bucketing=[exposure("x", 9 * HOUR), exposure("x") | refused])
    (found,) = outcome.conversion.exposures
    assert found.refused_at == refused_at


def test_two_variations_of_an_experience_leave_it_out(joined: Join) -> None:
    seen = [
        exposure("x"),
        exposure("y", 9 * HOUR),
        exposure("z", experience_id="e-2"),
    ]
    outcome = joined(bucketing=seen)
    assert outcome.conversion.bucketing == {"e-2": "z"}
    assert outcome.rows[0]["bucketing_conflicts"] == ["e-1"]
    assert outcome.issues == [issue("bucketing_conflict", "e-1")]


def test_bucketing_is_found_under_the_convert_visitor_id_where_one_is_stored(
    joined: Join,
) -> None:
    outcome = joined(
        identifiers=[click("cv-1", kind="convert_visitor_id")],
        bucketing=[exposure("own"), exposure("convert", visitor_id="cv-1")],
    )
    assert outcome.conversion.bucketing == {"e-1": "convert"}


def test_the_latest_segments_before_the_order_count(joined: Join) -> None:
    stored = [segments("FF", 9 * HOUR), segments("CH"), segments("SF", -HOUR)]
    found = joined(stored_segments=stored).conversion.segments
    assert found is not None
    assert (found.browser, found.custom_segments) == ("CH", ())


def test_identical_order_rows_are_one_order(joined: Join) -> None:
    outcome = joined(orders=[order(), order()])
    assert outcome.result == JoinResult(1, 0, {"USD": (1, 1000)})


def test_contradicting_order_rows_are_refused(joined: Join) -> None:
    outcome = joined(
        orders=[
            order(customer_city="Boston", promo_code="A", store=1),
            order(customer_city="Berlin", promo_code=None, store=2),
        ]
    )
    assert outcome.reasons == ("conflicting_rows",)
    shown = outcome.rejects[0].row_redacted
    assert list(shown) == ["promo_code", "customer_city", "extra"]
    assert {one["expected"] for one in shown.values()} == {
        "the same in all rows of the order"
    }
    assert shown["promo_code"]["actual"] == "1 character: letters | null"
    assert re.fullmatch(r"\d+ characters: [^|]+ \| \d+ .+", shown["extra"]["actual"])
    assert "B" not in str(shown["customer_city"])


@pytest.mark.sampled(1)
@pytest.mark.parametrize("slice_orders", [1, 2, 25_000])
def test_order_rows_far_apart_are_compared(
    joined: Join, monkeypatch: pytest.MonkeyPatch, slice_orders: int
) -> None:
    monkeypatch.setattr(assets.joining.join, "SLICE_ORDERS", slice_orders)
    ids = ["a", "b", "c", "d"]
    changed = {"a": {}, "b": {"tax": "2.00", "total": "14.50"}, "c": {}, "d": {}}
    orders = [order(one) for one in ids] + [order(one, **changed[one]) for one in ids]
    outcome = joined(orders=orders, items=[item(order_id=one) for one in ids])
    assert [row["order_id"] for row in outcome.rows] == ["a", "c", "d"]
    (reject,) = outcome.rejects
    assert (reject.order_id, reject.reasons) == ("b", ("conflicting_rows",))
    assert {one["actual"] for one in reject.row_redacted.values()} <= {
        "1 | 2",
        "2 | 1",
        "13.5 | 14.5",
        "14.5 | 13.5",
    }


def test_a_repeated_line_is_refused(joined: Join) -> None:
    outcome = joined(items=[item(subtotal=5), item(subtotal=5)])
    assert outcome.reasons == ("conflicting_items",)


def test_an_order_without_lines_is_refused_unless_allowed(joined: Join) -> None:
    assert joined(items=[]).reasons == ("no_items",)
    allowed = joined(items=[], allow_orders_without_items=True)
    assert allowed.conversion.items == ()


def test_lines_and_discounts_must_add_up_to_the_revenue(joined: Join) -> None:
    outcome = joined(items=[item(subtotal="10.01")])
    assert outcome.reasons == ("money_mismatch",)
    (reject,) = outcome.rejects
    assert (reject.dataset, reject.order_id, reject.amount_minor) == (
        "conversions",
        "o-1",
        1000,
    )
    shown = reject.row_redacted
    assert {name: one["actual"] for name, one in shown.items()} == {
        "revenue": "10",
        "discount": "0",
        "items_subtotal": "10.01",
        "items_discount": "0",
    }


def test_discounts_of_lines_and_order_are_taken_off(joined: Join) -> None:
    outcome = joined(
        orders=[order(discount="2.50")], items=[item(subtotal=14, discount="1.50")]
    )
    assert outcome.result.orders == 1


def test_line_money_finer_than_the_currency_is_refused(joined: Join) -> None:
    outcome = joined(items=[item(1, subtotal="9.995"), item(2, subtotal="0.005")])
    assert outcome.reasons == ("amount_precision",)


def test_a_line_s_discount_finer_than_the_currency_is_refused(joined: Join) -> None:
    lines = [
        item(1, subtotal="6.00", discount="0.005"),
        item(2, subtotal="4.01", discount="0.005"),
    ]
    outcome = joined(items=lines)
    assert outcome.reasons == ("amount_precision",)
    shown = outcome.rejects[0].row_redacted["items.discount"]
    assert shown["actual"] == "line 1: 0.005; line 2: 0.005"


def test_a_unit_price_may_be_finer_than_the_currency(joined: Join) -> None:
    lines = [item(quantity=3, unit_price="3.333333")]
    assert joined(items=lines).conversion.items[0].unit_price == Decimal("3.333333")


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("quantity", "unit_price", "subtotal", "currency"),
    [
        (3, "3.333333", "10.00", "USD"),
        (3, "3.33", "9.99", "USD"),
        ("1.5", "6.67", "10.00", "USD"),  # 10.005: rounded down or to even
        ("1.5", "6.67", "10.01", "USD"),  # rounded up
        ("2.5", "4.2", "10", "JPY"),
        (1, "10.125", "10.125", "KWD"),
        (0, "5.00", "0.00", "USD"),
    ],
)
def test_a_line_agrees_to_the_last_decimal_of_its_currency(
    joined: Join, quantity: Any, unit_price: str, subtotal: str, currency: str
) -> None:
    money = {"revenue": subtotal, "total": subtotal, "shipping": 0, "tax": 0}
    line = item(subtotal=subtotal, quantity=quantity, unit_price=unit_price)
    outcome = joined(orders=[order(currency=currency, **money)], items=[line])
    assert outcome.rejects == []


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("quantity", "unit_price", "subtotal", "currency"),
    [
        (3, "3.33", "10.00", "USD"),
        (2, "5.00", "10.01", "USD"),
        (1, "10.006", "10.00", "USD"),
        ("2.5", "4.3", "10", "JPY"),
        (1, "10.1256", "10.125", "KWD"),
        (0, "5.00", "5.00", "USD"),
        (2, "0.00", "0.01", "USD"),
        ("1e13", "99999999999999", "10.00", "USD"),
    ],
)
def test_quantity_and_price_that_do_not_make_the_subtotal_are_refused(
    joined: Join, quantity: Any, unit_price: str, subtotal: str, currency: str
) -> None:
    money = {"revenue": subtotal, "total": subtotal, "shipping": 0, "tax": 0}
    line = item(subtotal=subtotal, quantity=quantity, unit_price=unit_price)
    outcome = joined(orders=[order(currency=currency, **money)], items=[line])
    assert outcome.reasons == ("subtotal_mismatch",)


def test_a_line_s_own_discount_is_no_part_of_its_subtotal(joined: Join) -> None:
    line = item(quantity=2, unit_price=6, subtotal=12, discount=2)
    assert joined(items=[line]).rejects == []
    assert joined(items=[line | {"subtotal": 10, "discount": 0}]).reasons == (
        "subtotal_mismatch",
    )


def test_lines_that_do_not_agree_are_shown(joined: Join) -> None:
    lines = [
        item(1, subtotal=4, quantity=2),
        item(2, subtotal="3.5", quantity=7, unit_price="0.51"),
        item(3, subtotal=1, quantity=3),
        item(4, subtotal="1.5"),
    ]
    (reject,) = joined(items=lines).rejects
    assert {name: one["actual"] for name, one in reject.row_redacted.items()} == {
        "items.quantity": "line 1: 2; line 2: 7; ...",
        "items.unit_price": "line 1: 4; line 2: 0.51; ...",
        "items.subtotal": "line 1: 4; line 2: 3.5; ...",
    }
    assert {one["expected"] for one in reject.row_redacted.values()} == {
        "subtotal = quantity x unit_price, rounded to the decimals of the currency"
    }


def test_all_failures_of_an_order_are_reported_together(joined: Join) -> None:
    outcome = joined(
        orders=[order(), order(promo_code="X", visitor_id="v-2")],
        items=[item(7, subtotal="4.005", quantity=2), item(7, subtotal=1)],
        refused_order_ids=["o-1"],
    )
    assert outcome.reasons == (
        "amount_precision",
        "conflicting_items",
        "conflicting_rows",
        "money_mismatch",
        "subtotal_mismatch",
        "unfit_row",
    )
    shown = outcome.rejects[0].row_redacted
    assert list(shown) == [
        "discount",
        "items.discount",
        "items.line_no",
        "items.quantity",
        "items.subtotal",
        "items.unit_price",
        "items_discount",
        "items_subtotal",
        "order_id",
        "revenue",
        "visitor_id",
        "promo_code",
    ]
    assert shown["items.line_no"] == {
        "expected": "each line number once",
        "actual": "7",
    }
    assert shown["order_id"]["expected"] == "no other row of the order is refused"


@pytest.mark.parametrize("allowed", [False, True])
def test_an_order_without_lines_shows_how_many_it_has(
    joined: Join, allowed: bool
) -> None:
    outcome = joined(items=[], allow_orders_without_items=allowed)
    found = [one.row_redacted["items"]["actual"] for one in outcome.rejects]
    assert found == ([] if allowed else ["0"])


def test_a_line_without_its_order_holds_nothing_back(joined: Join) -> None:
    outcome = joined(items=[item(), item(1, "o-9"), item(2, "o-9")])
    assert outcome.result == JoinResult(1, 0, {"USD": (1, 1000)}, orphans=2)
    assert [
        (one.dataset, one.order_id, one.row_no, one.reasons, one.amount_minor)
        for one in outcome.rejects
    ] == [
        ("orphan_items", "o-9", 1, ("orphan_item",), None),
        ("orphan_items", "o-9", 2, ("orphan_item",), None),
    ]
    assert len({one.source_row_hash for one in outcome.rejects}) == 2
    assert outcome.rejects[0].row_redacted == {
        "order_id": {
            "expected": "an order of the same day",
            "actual": "3 characters: digits, letters, signs",
        }
    }


def test_a_line_of_a_refused_order_is_no_orphan(joined: Join) -> None:
    outcome = joined(items=[item(), item(1, "o-9")], refused_order_ids=["o-9"])
    assert (outcome.rejects, outcome.result.orphans) == ([], 0)


@pytest.mark.parametrize(
    ("orders", "owner"),
    [
        ([order("1001")], {"order_id": 1001.0, "visitor_id": None}),
        ([order("1001")], {"order_id": Decimal("1001.0"), "visitor_id": None}),
        ([order("1001", visitor_id="77")], {"visitor_id": 77.0}),
        ([order("1001")], {"value": 12.0}),
        ([order("1001")], {"order_id": float("nan"), "value": 12.5}),
    ],
)
def test_a_floating_point_identifier_is_told_to_its_order(
    joined: Join, orders: list[Row], owner: Row
) -> None:
    outcome = joined(
        orders=orders,
        items=[item(order_id="1001")],
        identifiers=[click("c-1", 9 * HOUR), click("c-2") | owner],
    )
    assert outcome.conversion.unfit_identifiers.keys() == {"impact_click_id"}


def test_a_floating_point_visitor_of_an_exposure_is_told_to_its_order(
    joined: Join,
) -> None:
    outcome = joined(
        orders=[order(visitor_id="77")], bucketing=[exposure("x", visitor_id=77.0)]
    )
    assert outcome.conversion.unfit_experiences == ("e-1",)


def counted(outcome: Joined) -> dict[str, tuple[int, int]]:
    return {one.kind: (one.rows, one.orphans) for one in outcome.result.identifiers}


def test_what_identifies_no_order_of_the_day_is_counted_by_kind(joined: Join) -> None:
    outcome = joined(
        identifiers=[
            click("c-1"),
            click("c-2", order_id="o-1", visitor_id=None),
            click("c-3", visitor_id="V-1"),
            click("c-4", order_id="O-1"),
            click("u-1", kind="convert_visitor_id"),
        ],
        bucketing=[exposure("x"), exposure("x", visitor_id="V-1")],
        stored_segments=[segments("CH"), segments("CH") | {"visitor_id": "v-1 "}],
    )
    assert counted(outcome) == {
        "convert_visitor_id": (1, 0),
        "impact_click_id": (4, 2),
        "visitor_bucketing": (2, 1),
        "visitor_segments": (2, 0),
    }
    found = [one for one in outcome.issues if one["code"] == "orphan_identifiers"]
    assert [(one["order_id"], one["subject"]) for one in found] == [
        ("-", "impact_click_id"),
        ("-", "visitor_bucketing"),
    ]
    assert "got 2 of 4 that do not" in str(found[0]["detail"])


def test_what_is_stored_under_the_id_of_convert_is_no_orphan(joined: Join) -> None:
    outcome = joined(
        identifiers=[click("u-1", kind="convert_visitor_id")],
        bucketing=[exposure("x", visitor_id="u-1")],
        stored_segments=[segments("CH") | {"visitor_id": "u-1"}],
    )
    assert {orphans for _, orphans in counted(outcome).values()} == {0}
    assert outcome.issues == []


def test_a_click_after_the_order_is_no_orphan(joined: Join) -> None:
    outcome = joined(identifiers=[click("c-1", -HOUR)])
    assert counted(outcome) == {"impact_click_id": (1, 0)}


def test_the_click_of_a_refused_order_is_no_orphan(joined: Join) -> None:
    outcome = joined(
        orders=[order(), order("o-2", visitor_id="v-2", currency="ZZZ")],
        identifiers=[
            click("c-1", visitor_id="v-2"),
            click("c-2", order_id="o-2", visitor_id=None),
        ],
    )
    assert counted(outcome) == {"impact_click_id": (2, 0)}


def test_lines_without_their_orders_come_in_batches(
    joined: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets.joining.join, "BATCH_ROWS", 2048)
    lines = [item(number, "o-9") for number in range(5000)]
    outcome = joined(items=[item(), *lines])
    assert outcome.result.orphans == 5000
    assert [one.row_no for one in outcome.rejects] == list(range(1, 5001))


def test_an_order_with_a_refused_row_is_refused_whole_with_its_money(
    joined: Join,
) -> None:
    outcome = joined(refused_order_ids=["o-1", "o-9"])
    assert outcome.result == JoinResult(0, 1, {})
    assert outcome.reasons == ("unfit_row",)
    assert outcome.rejects[0].amount_minor is not None


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "changed",
    [
        {"orders": [order(promo_code="X")]},
        {"orders": [order(store=7)]},
        {"items": [item(name="X")]},
        {"identifiers": [click("x")]},
        {"bucketing": [exposure("x")]},
        {"stored_segments": [segments("CH")]},
    ],
    ids=["order", "extra", "items", "identifiers", "bucketing", "segments"],
)
def test_the_source_hash_changes_with_the_source_only(
    joined: Join, changed: dict[str, list[Row]]
) -> None:
    first, again = joined().rows[0], joined().rows[0]
    assert len(first["source_hash"]) == 64
    assert first["source_hash"] == again["source_hash"]
    assert joined(**changed).rows[0]["source_hash"] != first["source_hash"]


@pytest.mark.parametrize(
    ("columns", "wrong"),
    [
        ("-f.revenue as revenue", "revenue"),
        ("cast(null as varchar) as currency", "currency"),
        ("f.order_id || '@' as order_id, -f.tax as tax", "order_id, tax"),
    ],
)
def test_a_join_that_makes_wrong_columns_is_stopped_and_names_them(
    joined: Join, monkeypatch: pytest.MonkeyPatch, columns: str, wrong: str
) -> None:
    right = sql.load("transform/conversions")
    bad = right.replace("    f.*, --", f"    f.* replace ({columns}), --")
    assert bad != right
    monkeypatch.setattr(sql, "load", lambda _name: bad)
    with pytest.raises(JoinError, match=f"schema, got others in {wrong}\\. Report"):
        joined()


def test_missing_refused_rows_name_the_extract_that_stages_them(
    joined: Join,
) -> None:
    staging = joined().staging
    staging.path("refused_visitor_bucketing", DAY).unlink()
    with pytest.raises(StagingError, match="Materialise visitor_bucketing for"):
        join(staging, DAY, on_rejects=print, on_issues=print)


def stage_other_version(staging: Staging, asset: str) -> None:
    with staging.writer(asset, DAY, pa.schema([("order_id", pa.string())])):
        pass


@pytest.mark.parametrize(
    ("asset", "made_by"),
    [
        ("visitor_segments", "visitor_segments"),
        ("refused_visitor_bucketing", "visitor_bucketing"),
    ],
)
def test_an_extract_of_another_version_is_named(
    joined: Join, asset: str, made_by: str
) -> None:
    staging = joined().staging
    stage_other_version(staging, asset)
    with pytest.raises(StagingError, match=f"Materialise {made_by} for"):
        join(staging, DAY, on_rejects=print, on_issues=print)


def test_conversions_of_another_version_are_named(joined: Join) -> None:
    source: Any = SimpleNamespace(staging=joined().staging)
    stage_other_version(source.staging, "conversions")
    with pytest.raises(StagingError, match="Materialise conversions for"):
        staged_chunks(source, DAY)


def test_a_missing_extract_is_named(tmp_path: Path) -> None:
    with pytest.raises(StagingError, match="Materialise completed_orders"):
        join(Staging(tmp_path), DAY, on_rejects=print, on_issues=print)
