"""The asset check `money_conserved`: do the deliveries account for all money of a day?

An unexplained difference is an error. Drift, or an order missing from the source, is a
warning. The check fails no step, because sending again would correct neither.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from assets import money
from assets.figures.reconciliation import (
    UNEXPLAINED,
    Balance,
    Difference,
    SourceOrder,
    Unit,
    reconcile,
)
from assets.joining.join import ASSET
from assets.ledger.states import DELIVERED
from assets.metadata import order_list
from assets.resources import Source

CHECK = "money_conserved"
CHUNK_ROWS = 5_000

_COLUMNS = ("order_id", "revenue", "currency", "currency_digits", "source_hash")
_DESCRIPTIONS = {
    Difference.NO_DELIVERY: "without a delivery",
    Difference.ALTERED: "worth something else in their deliveries",
    Difference.DRIFTED: "changed after they were sent",
    Difference.NOT_IN_SOURCE: "gone from the source after they were sent",
}


def money_conserved_spec(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    """Return the Dagster spec of the check."""
    return dg.AssetCheckSpec(
        CHECK,
        asset=asset,
        description=(
            "For each currency, the amounts of the source equal the amounts of the "
            "deliveries, delivered or not."
        ),
    )


def money_conserved(
    asset: dg.AssetKey, source: Source, destination: str, partition_key: str
) -> dg.AssetCheckResult:
    """Evaluate the check for one partition.

    Args:
        asset: Asset key of the deliveries of the destination.
        source: The staged orders and the delivery tables.
        destination: Configured name.
        partition_key: The day, `YYYY-MM-DD`.
    """
    balance = reconcile(
        source.database,
        destination,
        partition_key,
        lambda: _staged(source, partition_key),
        source.quarantined(partition_key),
    )
    severity = dg.AssetCheckSeverity
    return dg.AssetCheckResult(
        check_name=CHECK,
        asset_key=asset,
        passed=balance.is_balanced,
        severity=severity.WARN if balance.is_explained else severity.ERROR,
        description=_description(balance, destination, partition_key),
        metadata={
            "partition": partition_key,
            "balance": dg.MetadataValue.md(_table(balance)),
            **{f"orders {kind}": balance.counts[kind] for kind in Difference},
            **{
                _DESCRIPTIONS[kind]: order_list(
                    balance.listed[kind], balance.counts[kind]
                )
                for kind in Difference
                if balance.counts[kind]
            },
        },
    )


def _staged(source: Source, partition_key: str) -> Iterator[Sequence[SourceOrder]]:
    batches = source.staging.read(ASSET, partition_key, _COLUMNS, CHUNK_ROWS)
    for batch in batches:
        columns = [batch.column(name).to_pylist() for name in _COLUMNS]
        yield [
            SourceOrder(key, money.to_minor(revenue, digits), currency, digits, version)
            for key, revenue, currency, digits, version in zip(*columns, strict=True)
        ]


def _description(balance: Balance, destination: str, partition_key: str) -> str | None:
    """Return how many orders differ and by how much; the metadata lists them."""
    if balance.is_balanced:
        return None
    kinds = sorted(balance.counts, key=lambda kind: (kind not in UNEXPLAINED, kind))
    differences = [f"{balance.counts[kind]} {_DESCRIPTIONS[kind]}" for kind in kinds]
    amounts = [_text(unit, minor) for unit, minor in balance.difference().items()]
    if amounts:
        rest = ", ".join(amounts)
        differences.append(f"the source holds {rest} more than the deliveries")
    action = _ACTION[balance.is_explained].format(destination, partition_key)
    return (
        f"{destination} {partition_key}: expected equal amounts in source and "
        f"deliveries, got {'; '.join(differences)}. {action}"
    )


_ACTION = {
    True: "Look at v_needs_human and v_needs_reversal, then inform the provider.",
    False: (
        "Run the partition again: attribution export --date {1} --to {0}. If the "
        "difference remains, query the delivery tables for what changed these orders."
    ),
}


def _table(balance: Balance) -> str:
    units = {unit for made in balance.deliveries.values() for unit in made}
    rest = balance.difference()
    rows = []
    for unit in sorted(units | set(balance.source)):
        delivered = sum(balance.deliveries[state][unit] for state in DELIVERED)
        by_state = ", ".join(
            f"{state} {money.from_minor(made[unit], unit[1])}"
            for state, made in sorted(balance.deliveries.items())
            if state not in DELIVERED and made[unit]
        )
        amounts = (balance.source[unit], delivered, rest.get(unit, 0))
        shown = " | ".join(str(money.from_minor(one, unit[1])) for one in amounts)
        rows.append(f"| {unit[0] or '?'} | {shown} | {by_state or '-'} |")
    head = [
        "| currency | source | delivered | difference | not delivered |",
        "|---|--:|--:|--:|---|",
    ]
    return "\n".join(head + rows)


def _text(unit: Unit, minor: int) -> str:
    return f"{money.from_minor(minor, unit[1])} {unit[0] or '?'}"
