"""The asset check `money_conserved`: does a delivery stand for all money of a day?

An error for a difference that nothing explains, a warning for one that drift or a
vanished order explains. It fails no step: sending again would mend neither.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from assets import money
from assets.figures.reconciliation import (
    UNEXPLAINED,
    Balance,
    Kind,
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
_SAID = {
    Kind.MISSING: "without a delivery",
    Kind.ALTERED: "worth something else in their deliveries",
    Kind.DRIFTED: "changed after they were sent",
    Kind.GONE: "gone from the source after they were sent",
}


def money_conserved_spec(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    """Return what Dagster is to know of the check."""
    return dg.AssetCheckSpec(
        CHECK,
        asset=asset,
        description=(
            "Per currency, the orders of the source are worth what was delivered and "
            "what was not, exactly."
        ),
    )


def money_conserved(
    asset: dg.AssetKey, source: Source, destination: str, partition_key: str
) -> dg.AssetCheckResult:
    """Return the check of one partition.

    Args:
        asset: The deliveries of the destination.
        source: What the orders are worth.
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
        passed=balance.is_even,
        severity=severity.WARN if balance.is_explained else severity.ERROR,
        description=_description(balance, destination, partition_key),
        metadata={
            "partition": partition_key,
            "balance": dg.MetadataValue.md(_table(balance)),
            **{f"orders {kind}": balance.counts[kind] for kind in Kind},
            **{
                _SAID[kind]: order_list(balance.shown[kind], balance.counts[kind])
                for kind in Kind
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
    """Say how many orders differ and by how much; which, the metadata says."""
    if balance.is_even:
        return None
    kinds = sorted(balance.counts, key=lambda kind: (kind not in UNEXPLAINED, kind))
    said = [f"{balance.counts[kind]} {_SAID[kind]}" for kind in kinds]
    left = [_text(unit, minor) for unit, minor in balance.difference().items()]
    if left:
        said.append(f"the source holds {', '.join(left)} more than the deliveries")
    action = _ACTION[balance.is_explained].format(destination, partition_key)
    return (
        f"{destination} {partition_key}: expected source and deliveries to be worth "
        f"the same, got {'; '.join(said)}. {action}"
    )


_ACTION = {
    True: "Look at v_needs_human and v_needs_reversal, and tell the provider.",
    False: (
        "Run the partition again: attribution export --date {1} --to {0}; if it stays, "
        "ask the delivery tables what changed these orders."
    ),
}


def _table(balance: Balance) -> str:
    units = {unit for made in balance.made.values() for unit in made}
    left = balance.difference()
    rows = []
    for unit in sorted(units | set(balance.source)):
        delivered = sum(balance.made[state][unit] for state in DELIVERED)
        by_state = ", ".join(
            f"{state} {money.from_minor(made[unit], unit[1])}"
            for state, made in sorted(balance.made.items())
            if state not in DELIVERED and made[unit]
        )
        amounts = (balance.source[unit], delivered, left.get(unit, 0))
        shown = " | ".join(str(money.from_minor(one, unit[1])) for one in amounts)
        rows.append(f"| {unit[0] or '?'} | {shown} | {by_state or '-'} |")
    head = [
        "| currency | source | delivered | difference | not delivered |",
        "|---|--:|--:|--:|---|",
    ]
    return "\n".join(head + rows)


def _text(unit: Unit, minor: int) -> str:
    return f"{money.from_minor(minor, unit[1])} {unit[0] or '?'}"
