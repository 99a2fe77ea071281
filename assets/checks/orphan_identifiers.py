"""The asset check `orphan_identifiers`: did the clicks of a day find their orders?

A kind that usually finds its orders and finds none today is an error: ids are spelled
in another way, or two tables belong to different days.
"""

from collections.abc import Mapping, Sequence

import dagster as dg

from assets.ledger.identifier_counts import IdentifierCount, UsualCount
from assets.thresholds import OrphanIdentifiers

CHECK = "orphan_identifiers"
FEWEST_DAYS = 3
"""With fewer days before, nobody knows what is usual."""


def orphan_identifiers_spec(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    """Return the Dagster spec of the check."""
    return dg.AssetCheckSpec(
        CHECK,
        asset=asset,
        description=(
            "Identifiers, exposures and segments name orders and visitors of the day."
        ),
    )


def orphan_identifiers(
    asset: dg.AssetKey,
    partition_key: str,
    counts: Sequence[IdentifierCount],
    usual: Mapping[str, UsualCount],
    limit: OrphanIdentifiers,
) -> dg.AssetCheckResult:
    """Evaluate the check for one partition.

    Args:
        asset: Asset key of the conversions.
        partition_key: The day, `YYYY-MM-DD`.
        counts: The counts of the day.
        usual: Kind -> the counts of the days before.
        limit: The threshold. `severity` is that of too many orphans.
    """
    lost = [one for one in counts if _is_lost(one, usual.get(one.kind, UsualCount()))]
    many = [one for one in counts if _is_above(one, limit)]
    failed = bool(lost or many) and limit.severity != "off"
    is_error = bool(lost) or limit.severity == "error"
    return dg.AssetCheckResult(
        check_name=CHECK,
        asset_key=asset,
        passed=not failed,
        severity=dg.AssetCheckSeverity["ERROR" if is_error else "WARN"],
        description=_text(partition_key, lost, many, limit) if failed else None,
        metadata={
            "partition": partition_key,
            "max": limit.max,
            **{f"{one.kind}, rows": one.rows for one in counts},
            **{f"{one.kind}, orphans": one.orphans for one in counts},
        },
    )


def _is_lost(today: IdentifierCount, usual: UsualCount) -> bool:
    """Tell whether a kind matches nothing today, though a match was to be expected."""
    expected = today.rows * usual.matched_share
    return today.orphans == today.rows and usual.days >= FEWEST_DAYS and expected >= 1


def _is_above(today: IdentifierCount, limit: OrphanIdentifiers) -> bool:
    return today.orphans >= limit.at_least and today.orphans / today.rows > limit.max


def _text(
    partition_key: str,
    lost: Sequence[IdentifierCount],
    many: Sequence[IdentifierCount],
    limit: OrphanIdentifiers,
) -> str:
    expected = (
        "rows that name an order or visitor of the day, as on the days before"
        if lost
        else f"at most {limit.max:.1%} of the rows to name no order or visitor of the "
        "day"
    )
    got = ", ".join(
        f"{one.orphans} of {one.rows} {one.kind}"
        for one in dict.fromkeys([*lost, *many])
    )
    return (
        f"{partition_key}: expected {expected}, got {got} that name none. Compare the "
        "ids in the statements byte by byte: capitals, padding and prefixes count. Let "
        "the statements return the same spelling, then run the day again from its "
        "extracts on."
    )
