"""Guards on a whole day: is the volume of the day plausible?

A day without orders, or with far more or fewer orders or far more or less money than
usual, is more often a broken load than a real day. So is a day of which most orders are
quarantined. Such a day is refused before anything of it is sent, unless a person
overrides the guards. Pure rules.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from assets.money import from_minor, minor_digits, to_minor
from assets.validation.rejects import Reject

SHOWN_REASONS = 3


class Guards(BaseModel):
    """The limits of a day.

    Attributes:
        compare_days: A day is compared with the median of this many days before it.
        usual_orders: Nothing is compared if a usual day has fewer orders.
        orders_factor: The number of orders may differ from the usual one by this factor
            at most.
        money_factor: The same for the revenue in each currency.
        max_orders: The most orders of a day; None: no limit.
        max_revenue: The most revenue of a day, by currency, in major units.
        max_quarantined_share: The largest share of a day's orders that may be
            quarantined; 1: no limit.
        quarantined_from_orders: The share is not compared on days with fewer orders.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    compare_days: int = Field(default=7, ge=1, le=90)
    usual_orders: int = Field(default=20, ge=1)
    orders_factor: float = Field(default=10, gt=1)
    money_factor: float = Field(default=10, gt=1)
    max_orders: int | None = Field(default=None, ge=0)
    max_revenue: dict[str, Decimal] = {}
    max_quarantined_share: float = Field(default=0.5, ge=0, le=1)
    quarantined_from_orders: int = Field(default=20, ge=1)


class GuardError(Exception):
    """A day violates the guards. Nothing of it was sent."""


@dataclass(frozen=True, slots=True)
class QuarantinedOrders:
    """How many orders of a day are quarantined.

    Attributes:
        orders: Number of orders of the day, quarantined ones included.
        reasons: The reason codes of each quarantined order.
    """

    orders: int = 0
    reasons: Sequence[Sequence[str]] = ()

    @property
    def share(self) -> float:
        """The share of the orders that are quarantined, 0 to 1."""
        return len(self.reasons) / self.orders if self.orders else 0.0


@dataclass(frozen=True, slots=True)
class Volume:
    """Orders and revenue of a day, quarantined ones included.

    Attributes:
        totals: Currency -> (orders, their revenue in minor units). Orders without a
            known currency have the key "".
    """

    totals: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def orders(self) -> int:
        """The number of orders of the day."""
        return sum(count for count, _ in self.totals.values())

    def orders_in(self, currency: str) -> int:
        """Return the number of orders in a currency."""
        return self.totals.get(currency, (0, 0))[0]

    def revenue_in(self, currency: str) -> Decimal:
        """Return the revenue in a currency, in major units."""
        minor = self.totals.get(currency, (0, 0))[1]
        return from_minor(minor, minor_digits(currency))


class VolumeCounter:
    """Counts a day while it is extracted."""

    def __init__(self) -> None:
        self._totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        self._reasons: list[Sequence[str]] = []

    def add_good(self, rows: pa.Table) -> None:
        """Count validated rows of `completed_orders`."""
        sums = rows.group_by("currency").aggregate(
            [("revenue", "count"), ("revenue", "sum")]
        )
        for row in sums.to_pylist():
            entry = self._totals[row["currency"]]
            entry[0] += row["revenue_count"]
            entry[1] += to_minor(row["revenue_sum"], minor_digits(row["currency"]))

    def add_rejects(self, rejects: Sequence[Reject]) -> None:
        """Count refused rows. They are orders of the day, too."""
        for one in rejects:
            entry = self._totals[one.currency or ""]
            entry[0] += 1
            entry[1] += one.amount_minor or 0
            self._reasons.append(one.reasons)

    @property
    def volume(self) -> Volume:
        """The volume counted so far."""
        return Volume({name: (n, sum_) for name, (n, sum_) in self._totals.items()})

    @property
    def quarantined(self) -> QuarantinedOrders:
        """The refused rows counted so far."""
        return QuarantinedOrders(self.volume.orders, self._reasons)


def guard_violations(
    day: Volume, earlier_days: Sequence[Volume], guards: Guards
) -> list[str]:
    """Return what a day violates, one text per guard; empty: the day is plausible.

    Args:
        day: The volume of the day.
        earlier_days: The volumes of the days before, at most `compare_days`.
        guards: The limits.
    """
    return [*_beyond_limits(day, guards), *_far_from_usual(day, earlier_days, guards)]


def quarantine_violations(found: QuarantinedOrders, guards: Guards) -> list[str]:
    """Return what a day violates by its quarantined orders; empty: it is plausible."""
    limit = guards.max_quarantined_share
    if found.orders < guards.quarantined_from_orders or found.share <= limit:
        return []
    counts = Counter(code for codes in found.reasons for code in codes)
    top = ", ".join(
        f"{code} {count}" for code, count in counts.most_common(SHOWN_REASONS)
    )
    return [
        f"at most {limit * 100:g} % of the orders to be quarantined, got "
        f"{len(found.reasons)} of {found.orders} ({top})"
    ]


def _beyond_limits(day: Volume, guards: Guards) -> list[str]:
    found = []
    if guards.max_orders is not None and day.orders > guards.max_orders:
        found.append(f"at most {guards.max_orders} orders, got {day.orders}")
    for currency, limit in guards.max_revenue.items():
        revenue = day.revenue_in(currency)
        if revenue > limit:
            found.append(f"at most {limit:f} {currency}, got {revenue:f}")
    return found


def _far_from_usual(
    day: Volume, earlier_days: Sequence[Volume], guards: Guards
) -> list[str]:
    usual = median(one.orders for one in earlier_days) if earlier_days else 0
    if usual < guards.usual_orders:
        return []
    if not day.orders:
        return [f"about {usual:.0f} orders as on the days before, got none"]
    found = []
    if _is_far_off(day.orders, usual, guards.orders_factor):
        found.append(
            f"about {usual:.0f} orders as on the days before, got {day.orders}"
        )
    for currency in _usual_currencies(earlier_days, guards):
        normal = median(one.revenue_in(currency) for one in earlier_days)
        revenue = day.revenue_in(currency)
        if _is_far_off(revenue, normal, guards.money_factor):
            found.append(f"about {normal:f} {currency}, got {revenue:f}")
    return found


def _usual_currencies(earlier_days: Sequence[Volume], guards: Guards) -> list[str]:
    """Currencies with enough orders a day to compare their revenue."""
    named = set().union(*(one.totals for one in earlier_days)) - {""}
    return [
        currency
        for currency in sorted(named)
        if median(one.orders_in(currency) for one in earlier_days)
        >= guards.usual_orders
    ]


def _is_far_off(value: Decimal | int, usual: Decimal | float, factor: float) -> bool:
    times = Decimal(factor)
    return value > Decimal(usual) * times or value * times < Decimal(usual)
