"""The asset check `reply_shape`: did a provider answer as its documents say?

A warning for a person, on every asset that talks to a provider. It fails no step: what
a reply means is decided by the provider's module, and what it cannot read is never
taken for a success.
"""

from collections.abc import Sequence

import dagster as dg

from assets.transport.reply_shapes import UnexpectedShape

CHECK = "reply_shape"


def reply_shape_spec(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    """Return what Dagster is to know of the check."""
    return dg.AssetCheckSpec(
        CHECK,
        asset=asset,
        description="Replies look as the provider's documents say; else a warning.",
    )


def reply_shape(
    asset: dg.AssetKey,
    surprises: Sequence[UnexpectedShape],
    partition_key: str | None = None,
) -> dg.AssetCheckResult:
    """Return the check of one run: good where nothing was new.

    Args:
        asset: Whose replies were looked at.
        surprises: What was new about them.
        partition_key: Of which they spoke; None: of any.
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
