"""The asset check `reply_shape`: do replies match the provider's documents?

A warning on every asset that sends requests. It fails no step: the provider's package
decides what a reply means, and a reply that it cannot read is never a success.
"""

from collections.abc import Sequence

import dagster as dg

from assets.transport.reply_shapes import UnexpectedShape

CHECK = "reply_shape"


def reply_shape_spec(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    """Return the Dagster spec of the check."""
    return dg.AssetCheckSpec(
        CHECK,
        asset=asset,
        description="Replies match the provider's documents.",
    )


def reply_shape(
    asset: dg.AssetKey,
    surprises: Sequence[UnexpectedShape],
    partition_key: str | None = None,
) -> dg.AssetCheckResult:
    """Evaluate the check for one run: it passes where no reply deviates.

    Args:
        asset: Asset key of the deliveries or settlements that got the replies.
        surprises: The deviations from the documented shape.
        partition_key: The partition of the replies; None: any.
    """
    return dg.AssetCheckResult(
        check_name=CHECK,
        asset_key=asset,
        passed=not surprises,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(one.text for one in surprises) or None,
        metadata=({"partition": partition_key} if partition_key else {})
        | {
            "surprises": len(surprises),
            "what is new": dg.MetadataValue.md(_table(surprises)),
        },
    )


def _table(surprises: Sequence[UnexpectedShape]) -> str:
    rows = [
        f"| `{one.request}` | {one.status} | `{one.text}` | {one.replies} |"
        for one in surprises
    ]
    head = ["| request | status | what is new | replies |", "|---|--:|---|--:|"]
    return "\n".join(head + rows)
