"""Which rules real orders trip: the Olist orders, all 2,251 of them.

Through the product's own extract and join, once as the statements of `tests/olist` read
them and once as somebody might who knows the shop less well.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree

import pytest

from assets.joining.join import JoinResult, join
from assets.source.extract import extract
from assets.source.warehouse import Warehouse
from assets.staging import Staging
from assets.validation.rejects import Reject
from assets.validation.schemas import EXTRACTS
from olist.figures import ZONE, completed_orders
from olist.loader import DATA, STATEMENTS, load
from olist.visitors import make_up

# The only skip: the orders lie beside the checkout, and not everywhere.
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"there are no orders in {DATA}"
)

ALWAYS = (datetime(2016, 1, 1, tzinfo=UTC), datetime(2018, 2, 1, tzinfo=UTC))
COMPLETED = "in ('delivered', 'shipped', 'invoiced')"


@dataclass
class Read:
    """What became of the orders."""

    statements: Path
    warehouse: Path
    rejects: list[Reject] = field(default_factory=list)
    issues: list[dict[str, str]] = field(default_factory=list)
    result: JoinResult = field(default_factory=lambda: JoinResult(0, 0, {}))

    def but(self, statement: str, old: str, new: str) -> None:
        """Let a statement read the shop otherwise."""
        path = self.statements / f"{statement}.sql"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def run(self, zone: str | None = ZONE.key) -> None:
        staging = Staging(self.statements.parent / "staging")
        warehouse = Warehouse(
            f"duckdb:///{self.warehouse}",
            extract_dir=self.statements,
            source_timezone=zone,
        )
        for statement in EXTRACTS:
            extract(
                warehouse,
                staging,
                statement,
                "all",
                ALWAYS,
                on_rejects=self.rejects.extend,
            )
        refused = [one.order_id for one in self.rejects if one.order_id]
        self.result = join(
            staging,
            "all",
            refused_order_ids=refused,
            on_rejects=self.rejects.extend,
            on_issues=self.issues.extend,
        )

    @property
    def reasons(self) -> Counter[tuple[str, str]]:
        """Table and reason code -> how many rows."""
        return Counter(
            (one.dataset, reason) for one in self.rejects for reason in one.reasons
        )


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("olist") / "warehouse.db"
    load(path, make_up(completed_orders(DATA)))
    return path


@pytest.fixture
def olist(warehouse: Path, tmp_path: Path) -> Read:
    return Read(copytree(STATEMENTS, tmp_path / "extract"), warehouse)


def test_the_completed_orders_trip_no_rule(olist: Read) -> None:
    orders = completed_orders(DATA)
    olist.run()
    assert olist.rejects == []
    cents = sum(order.cents for order in orders)
    assert olist.result is not None
    assert {one.orphans for one in olist.result.identifiers} == {0}
    counted = replace(olist.result, identifiers=())
    assert counted == JoinResult(2208, 0, {"BRL": (2208, cents)})


ANY_STATUS = dict.fromkeys(EXTRACTS, (COMPLETED, "is not null"))
PAID = """
    (
        select sum(x.payment_value) from paid as x where x.order_id = o.order_id
    ) as total
"""
READINGS: dict[str, tuple[dict[str, tuple[str, str]], dict[tuple[str, str], int]]] = {
    "every order, whatever became of it": (
        ANY_STATUS,
        {
            ("completed_orders", f"missing_{amount}"): 19
            for amount in ("total", "revenue", "shipping")
        },
    ),
    "the lines of orders that were never completed": (
        {"order_items": (COMPLETED, "is not null")},
        {("orphan_items", "orphan_item"): 24},
    ),
    "what was paid as the total": (
        {"completed_orders": ("m.revenue + m.shipping as total", PAID.strip())},
        {("completed_orders", "total_mismatch"): 12},
    ),
    "a unit's price as the subtotal of its line": (
        {
            "order_items": (
                "l.unit_price * l.quantity as subtotal",
                "l.unit_price as subtotal",
            )
        },
        {
            ("conversions", "subtotal_mismatch"): 138,
            ("conversions", "money_mismatch"): 138,
        },
    ),
    "every line as the first one": (
        {
            "order_items": (
                "min(cast(i.order_item_id as integer)) as first_unit",
                "1 as first_unit",
            )
        },
        {("conversions", "conflicting_items"): 73},
    ),
    "every payment as an order": (
        {
            "completed_orders": (
                "left join payment as p",
                "left join paid as p",
            )
        },
        {("conversions", "conflicting_rows"): 57},
    ),
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("changes", "tripped"), READINGS.values(), ids=READINGS)
def test_a_wrong_reading_of_the_shop_trips_the_rule_made_for_it(
    olist: Read,
    changes: dict[str, tuple[str, str]],
    tripped: dict[tuple[str, str], int],
) -> None:
    for statement, (old, new) in changes.items():
        olist.but(statement, old, new)
    olist.run()
    assert olist.reasons == tripped
    held = {one.order_id for one in olist.rejects if one.dataset != "orphan_items"}
    orders = 2251 if changes is ANY_STATUS else 2208
    assert olist.result.orders == orders - len(held)


def test_local_times_trip_a_rule_until_their_zone_is_named(olist: Read) -> None:
    olist.run(zone=None)
    assert olist.reasons == {("completed_orders", "naive_time"): 2208}
    assert olist.result.orders == 0
