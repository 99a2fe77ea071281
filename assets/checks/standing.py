"""Asset checks on how a destination stands: the rules, and how Dagster shows them.

Each rule takes a `Standing` and a threshold and says what was found and what to do. A
check fails no step: a day is red where running it again helps, and only there. Checks
on what a provider said stand in `reply_shape.py` and `settlements.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import dagster as dg

from assets.figures.status import Standing
from assets.ledger.states import NOT_SENT, State
from assets.thresholds import (
    Checks,
    Count,
    NothingLost,
    NothingUncertain,
    OldestUnsettled,
    Part,
    SuppressedRise,
)

SHOWN = 31
"""Partitions that are named; the delivery tables have them all."""

WORDS = {
    "nothing_lost": "Each order that the source holds for the day has a delivery.",
    "rejected_share": "The provider refused few of the orders that were to be sent.",
    "quarantine_share": "Few rows of the day are not fit to be sent.",
    "suppressed_rise": "Rules withhold about as many orders as on the days before.",
    "nothing_uncertain": "No delivery may have counted and waits for a person to say.",
    "no_partition_left": "No partition waits to be run again.",
    "oldest_unsettled": "What the provider queued comes to its end in time.",
}
"""What each check says where it passes."""

ON_SETTLEMENTS = frozenset({"oldest_unsettled"})
"""Asked every hour, where queued deliveries are followed; all others after a run."""

OF_A_DAY = frozenset(
    {"nothing_lost", "rejected_share", "quarantine_share", "suppressed_rise"}
)
"""These speak of the partition that was run, all others of the whole destination."""


@dataclass(frozen=True, slots=True)
class About:
    """Of what a check speaks."""

    destination: str
    partition_key: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        passed: Whether it is within its threshold.
        text: What was expected, what is, and what to do; empty where it passed.
        figures: What it looked at; numbers are plotted.
    """

    passed: bool
    text: str = ""
    figures: Mapping[str, int | float | str] = field(default_factory=dict)


def nothing_lost(found: Standing, limit: NothingLost, about: About) -> Finding:
    """Every eligible order is in some state: source = sum over states."""
    lost = sum(map(abs, found.lost.values()))
    listed = ", ".join(
        f"{orders} {currency or 'without a currency'}"
        for currency, orders in found.lost.items()
    )
    return Finding(
        lost <= limit.max,
        f"{_in(about)}: expected each order of the source to have a delivery, got a "
        f"difference of {lost} orders ({listed}). Look at v_reconcile, then run the "
        f"partition again from completed_orders on: {_export(about)}.",
        {"lost": lost, "max": limit.max},
    )


def rejected_share(found: Standing, limit: Part, about: About) -> Finding:
    """Refused and exhausted, of all that was to be sent."""
    refused = _count(found, State.REJECTED, State.EXHAUSTED)
    sent = sum(n for state, n in found.orders.items() if state not in NOT_SENT)
    return _part(
        refused,
        sent,
        limit,
        f"{_in(about)}: expected at most {limit.max:.1%} of the orders to be refused, "
        f"got {refused} of {sent}. Look at v_top_reasons, mend the mapping or the "
        f"settings at the provider, then run the partition again: {_export(about)}.",
    )


def quarantine_share(found: Standing, limit: Part, about: About) -> Finding:
    """Rows that are not fit to be sent, of all orders."""
    held = _count(found, State.QUARANTINED)
    orders = sum(found.orders.values())
    return _part(
        held,
        orders,
        limit,
        f"{_in(about)}: expected at most {limit.max:.1%} of the orders to be held "
        f"back, got {held} of {orders}. Look at v_top_reasons and quarantine_row, mend "
        f"the source, then run the partition again: {_export(about)}.",
    )


def suppressed_rise(found: Standing, limit: SuppressedRise, about: About) -> Finding:
    """A day whose clicks or consents were not loaded is green, and pays nobody."""
    held = _count(found, State.SUPPRESSED)
    orders = sum(found.orders.values())
    share = held / orders if orders else 0.0
    usual = share if found.usually_suppressed is None else found.usually_suppressed
    return Finding(
        share - usual <= limit.max or held < limit.at_least,
        f"{_in(about)}: expected about {usual:.0%} of the orders to be withheld by "
        f"rules, as on the days before, got {share:.0%} ({held} of {orders}). Look at "
        "v_withheld: were clicks, consents or exposures loaded for this day? If they "
        f"come late, run the partition again from its extracts on: {_export(about)}.",
        {"orders": held, "of": orders, "share": round(share, 6)}
        | {"usual": round(usual, 6), "max": limit.max},
    )


def nothing_uncertain(
    found: Standing, limit: NothingUncertain, about: About
) -> Finding:
    """Unanswered where a repeat may count twice, or where nobody can tell."""
    waiting = sum(found.uncertain.values())
    return Finding(
        waiting <= limit.max,
        f"{about.destination}: expected at most {limit.max} deliveries that may have "
        f"counted and that no run sends again, got {waiting} of "
        f"{_listed(list(found.uncertain))}. Look at v_needs_human, ask the provider, "
        "then say what you found out: attribution resolve.",
        {"uncertain": waiting, "max": limit.max, "partitions": len(found.uncertain)},
    )


def no_partition_left(found: Standing, limit: Count, about: About) -> Finding:
    """A failed partition that nobody runs again is silent, and looks repaired."""
    left = found.left
    span = f"--from {left[0]} --to {left[-1]}" if left else ""
    return Finding(
        len(left) <= limit.max,
        f"{about.destination}: expected at most {limit.max} partitions that wait to "
        f"be run again, got {len(left)}: {_listed(left)}. Run them again: attribution "
        f"backfill {span} --destination {about.destination}, or in the UI Materialize, "
        "Failed. What is delivered is not sent again.",
        {"left": len(left), "max": limit.max, "partitions left": _listed(left)},
    )


def oldest_unsettled(found: Standing, limit: OldestUnsettled, about: About) -> Finding:
    """How long the oldest queued delivery has waited."""
    since = found.unsettled_since
    hours = 0.0 if since is None else (about.now - since).total_seconds() / 3600
    return Finding(
        hours <= limit.max_hours,
        f"{about.destination}: expected queued deliveries to end within "
        f"{limit.max_hours:g} hours, got one that waits for {hours:.0f} "
        f"({found.unsettled} wait in all). Is the schedule follow_submissions on? Else "
        "look at the last run of the settlements, and ask the provider.",
        {"unsettled": found.unsettled, "oldest_hours": round(hours, 1)}
        | {"max_hours": limit.max_hours},
    )


RULES: Mapping[str, Callable[[Standing, Any, About], Finding]] = {
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


def _part(count: int, whole: int, limit: Part, text: str) -> Finding:
    share = count / whole if whole else 0.0
    return Finding(
        share <= limit.max or count < limit.at_least,
        text,
        {"orders": count, "of": whole, "share": round(share, 6), "max": limit.max},
    )


def _count(found: Standing, *states: State) -> int:
    return sum(found.orders.get(state, 0) for state in states)


def _in(about: About) -> str:
    return f"{about.destination} {about.partition_key}"


def _export(about: About) -> str:
    return f"attribution export --date {about.partition_key} --to {about.destination}"


def _listed(partitions: Sequence[str]) -> str:
    more = len(partitions) - SHOWN
    return ", ".join(partitions[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def check_specs(asset: dg.AssetKey, names: Sequence[str]) -> list[dg.AssetCheckSpec]:
    """Return what Dagster is to know of some checks of an asset."""
    return [
        dg.AssetCheckSpec(name, asset=asset, description=WORDS[name]) for name in names
    ]


def check_results(
    asset: dg.AssetKey,
    names: Sequence[str],
    found: Standing,
    limits: Checks,
    about: About,
) -> list[dg.AssetCheckResult]:
    """Return what some checks found, as Dagster keeps it."""
    return [_result(asset, name, found, limits, about) for name in names]


def _result(
    asset: dg.AssetKey, name: str, found: Standing, limits: Checks, about: About
) -> dg.AssetCheckResult:
    limit = getattr(limits, name)
    finding = RULES[name](found, limit, about)
    passed = finding.passed or limit.severity == "off"
    of_a_day = {"partition": about.partition_key} if name in OF_A_DAY else {}
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=asset,
        passed=passed,
        severity=dg.AssetCheckSeverity[
            "ERROR" if limit.severity == "error" else "WARN"
        ],
        description=WORDS[name] if passed else finding.text,
        metadata={**finding.figures, **of_a_day},
    )


AFTER_A_RUN = [name for name in RULES if name not in ON_SETTLEMENTS]
EVERY_HOUR = [name for name in RULES if name in ON_SETTLEMENTS]
