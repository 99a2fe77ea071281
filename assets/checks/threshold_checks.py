"""Asset checks with a threshold: how a destination looks after a run.

Each rule compares a `DestinationStatus` with a threshold and says what was found and
what to do. No rule fails a step: a partition fails only where running it again helps.
Checks of a provider's replies belong in `reply_shape.py` and `settlements.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import dagster as dg

from assets.figures.status import DestinationStatus
from assets.ledger.states import INELIGIBLE, State
from assets.thresholds import (
    Checks,
    Count,
    NothingLost,
    NothingUncertain,
    OldestUnsettled,
    Part,
    SuppressedRise,
)

MAX_LISTED = 31
"""Number of partitions that a text names; the delivery tables have all of them."""

DESCRIPTIONS = {
    "nothing_lost": "Every order of the source has a delivery in this partition.",
    "rejected_share": "The provider rejected few of the orders that were to be sent.",
    "quarantine_share": "Few orders of the partition are quarantined.",
    "suppressed_rise": "Rules suppress about as many orders as in earlier partitions.",
    "nothing_uncertain": "No uncertain delivery waits for a person.",
    "no_partition_left": "No partition needs another run.",
    "oldest_unsettled": "The provider settles queued deliveries in time.",
}
"""Check -> the text shown where it passes."""

PARTITION_CHECKS = frozenset(
    {"nothing_lost", "rejected_share", "quarantine_share", "suppressed_rise"}
)
"""Checks of the partition that was run. All others are of the whole destination."""


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What a check is evaluated for, and when."""

    destination: str
    partition_key: str
    now: datetime

    @property
    def place(self) -> str:
        """Destination and partition, for messages."""
        return f"{self.destination} {self.partition_key}"

    @property
    def export(self) -> str:
        """The command that runs the partition again."""
        return f"attribution export --date {self.partition_key} --to {self.destination}"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        passed: Whether the figures are within the threshold.
        text: What was expected, what was found, and what to do. Shown on failure only.
        figures: The figures that were compared; Dagster plots the numbers.
    """

    passed: bool
    text: str = ""
    figures: Mapping[str, int | float | str] = field(default_factory=dict)


def nothing_lost(
    status: DestinationStatus, limit: NothingLost, context: CheckContext
) -> Finding:
    """Compare the orders of the source with the sum of deliveries over all states."""
    lost = sum(map(abs, status.without_delivery.values()))
    listed = ", ".join(
        f"{orders} {currency or 'without a currency'}"
        for currency, orders in status.without_delivery.items()
    )
    return Finding(
        lost <= limit.max,
        f"{context.place}: expected a delivery for each order of the source, got a "
        f"difference of {lost} orders ({listed}). Look at v_reconcile, then run the "
        f"partition again from completed_orders on: {context.export}.",
        {"lost": lost, "max": limit.max},
    )


def rejected_share(
    status: DestinationStatus, limit: Part, context: CheckContext
) -> Finding:
    """Compare rejected and exhausted orders with all orders that were to be sent."""
    rejected = _count(status, State.REJECTED, State.EXHAUSTED)
    eligible = sum(n for state, n in status.orders.items() if state not in INELIGIBLE)
    return _share(
        rejected,
        eligible,
        limit,
        f"{context.place}: expected at most {limit.max:.1%} of the orders to be "
        f"rejected, got {rejected} of {eligible}. Look at v_top_reasons, correct the "
        "mapping or the settings at the provider, then run the partition again: "
        f"{context.export}.",
    )


def quarantine_share(
    status: DestinationStatus, limit: Part, context: CheckContext
) -> Finding:
    """Compare quarantined orders with all orders of the partition."""
    quarantined = _count(status, State.QUARANTINED)
    orders = sum(status.orders.values())
    return _share(
        quarantined,
        orders,
        limit,
        f"{context.place}: expected at most {limit.max:.1%} of the orders to be "
        f"quarantined, got {quarantined} of {orders}. Look at v_top_reasons and "
        "quarantine_row, correct the source, then run the partition again: "
        f"{context.export}.",
    )


def suppressed_rise(
    status: DestinationStatus, limit: SuppressedRise, context: CheckContext
) -> Finding:
    """Compare the suppressed share with the partitions before.

    A partition whose clicks or consents were not loaded succeeds and reports nothing.
    """
    suppressed = _count(status, State.SUPPRESSED)
    orders = sum(status.orders.values())
    share = suppressed / orders if orders else 0.0
    before = status.usual_suppressed_share
    usual = share if before is None else before
    return Finding(
        share - usual <= limit.max or suppressed < limit.at_least,
        f"{context.place}: expected rules to suppress about {usual:.0%} of the orders, "
        f"as in the partitions before, got {share:.0%} ({suppressed} of {orders}). "
        "Look at v_withheld: were clicks, consents and exposures loaded for this day? "
        "Once they are, run the partition again from its extracts on: "
        f"{context.export}.",
        {"orders": suppressed, "of": orders, "share": round(share, 6)}
        | {"usual": round(usual, 6), "max": limit.max},
    )


def nothing_uncertain(
    status: DestinationStatus, limit: NothingUncertain, context: CheckContext
) -> Finding:
    """Count deliveries without a known outcome that no run sends again."""
    waiting = sum(status.uncertain.values())
    return Finding(
        waiting <= limit.max,
        f"{context.destination}: expected at most {limit.max} uncertain deliveries "
        f"that no run sends again, got {waiting} in {_listed(list(status.uncertain))}. "
        "Look at v_needs_human, ask the provider, then record the answer: "
        "attribution resolve.",
        {"uncertain": waiting, "max": limit.max, "partitions": len(status.uncertain)},
    )


def no_partition_left(
    status: DestinationStatus, limit: Count, context: CheckContext
) -> Finding:
    """Count unfinished partitions: a failed one that nobody runs again stays silent."""
    left = status.partitions_left
    span = f"--from {left[0]} --to {left[-1]}" if left else ""
    return Finding(
        len(left) <= limit.max,
        f"{context.destination}: expected at most {limit.max} partitions that need "
        f"another run, got {len(left)}: {_listed(left)}. Run them again: attribution "
        f"backfill {span} --destination {context.destination}, or in the UI "
        "Materialize, Failed. Delivered orders are not sent again.",
        {"left": len(left), "max": limit.max, "partitions left": _listed(left)},
    )


def oldest_unsettled(
    status: DestinationStatus, limit: OldestUnsettled, context: CheckContext
) -> Finding:
    """Compare the age of the oldest queued delivery with the limit."""
    since = status.unsettled_since
    hours = 0.0 if since is None else (context.now - since).total_seconds() / 3600
    return Finding(
        hours <= limit.max_hours,
        f"{context.destination}: expected queued deliveries to settle within "
        f"{limit.max_hours:g} hours, got one that is queued for {hours:.0f} hours "
        f"({status.unsettled} in all). Is the schedule follow_submissions on? If it "
        "is, look at the last run of the settlements, then ask the provider.",
        {"unsettled": status.unsettled, "oldest_hours": round(hours, 1)}
        | {"max_hours": limit.max_hours},
    )


RULES: Mapping[str, Callable[[DestinationStatus, Any, CheckContext], Finding]] = {
    rule.__name__: rule
    for rule in (
        nothing_lost,
        rejected_share,
        quarantine_share,
        suppressed_rise,
        nothing_uncertain,
        no_partition_left,
        oldest_unsettled,
    )
}

SETTLEMENT_CHECKS = ("oldest_unsettled",)
"""Checks of the hourly settlement asset."""

DELIVERY_CHECKS = tuple(name for name in RULES if name not in SETTLEMENT_CHECKS)
"""Checks of the delivery asset, evaluated after each run."""


def check_specs(asset: dg.AssetKey, names: Sequence[str]) -> list[dg.AssetCheckSpec]:
    """Return the Dagster specs of some checks of an asset."""
    return [
        dg.AssetCheckSpec(name, asset=asset, description=DESCRIPTIONS[name])
        for name in names
    ]


def check_results(
    asset: dg.AssetKey,
    names: Sequence[str],
    status: DestinationStatus,
    limits: Checks,
    context: CheckContext,
) -> list[dg.AssetCheckResult]:
    """Evaluate some checks of an asset; return their Dagster results."""
    return [_result(asset, name, status, limits, context) for name in names]


def _result(
    asset: dg.AssetKey,
    name: str,
    status: DestinationStatus,
    limits: Checks,
    context: CheckContext,
) -> dg.AssetCheckResult:
    limit = getattr(limits, name)
    finding = RULES[name](status, limit, context)
    passed = finding.passed or limit.severity == "off"
    is_error = limit.severity == "error"
    partition = {"partition": context.partition_key} if name in PARTITION_CHECKS else {}
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=asset,
        passed=passed,
        severity=dg.AssetCheckSeverity["ERROR" if is_error else "WARN"],
        description=DESCRIPTIONS[name] if passed else finding.text,
        metadata={**finding.figures, **partition},
    )


def _share(count: int, whole: int, limit: Part, text: str) -> Finding:
    share = count / whole if whole else 0.0
    return Finding(
        share <= limit.max or count < limit.at_least,
        text,
        {"orders": count, "of": whole, "share": round(share, 6), "max": limit.max},
    )


def _count(status: DestinationStatus, *states: State) -> int:
    return sum(status.orders.get(state, 0) for state in states)


def _listed(partitions: Sequence[str]) -> str:
    listed = ", ".join(partitions[:MAX_LISTED])
    more = len(partitions) - MAX_LISTED
    return f"{listed} and {more} more" if more > 0 else listed
