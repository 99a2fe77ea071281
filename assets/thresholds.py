"""Thresholds and severities of the asset checks: the `[checks]` table.

Settings only. The checks themselves are in `assets/checks`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Severity = Literal["error", "warn", "off"]
Share = Annotated[float, Field(ge=0, le=1)]


class Threshold(BaseModel):
    """The settings of one check.

    Attributes:
        severity: Of a failure: `error` (act now), `warn` (look at it), or `off`: the
            figures are shown and nothing fails.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    severity: Severity


class Count(Threshold):
    """Fails if there are more than `max`."""

    max: int = Field(default=0, ge=0)


class NothingLost(Count):
    """Orders of the source without a delivery."""

    severity: Severity = "error"


class NothingUncertain(Count):
    """Deliveries that may have counted and that no run sends again."""

    severity: Severity = "warn"


class NoPartitionLeft(Count):
    """Partitions whose last run left work that another run would finish."""

    severity: Severity = "error"


class Part(Threshold):
    """Fails if a share above `max` and at least `at_least` orders are affected."""

    severity: Severity = "warn"
    max: Share
    at_least: int = Field(default=5, ge=1)


class RejectedShare(Part):
    """Rejected orders, as a share of the orders to be sent."""

    max: Share = 0.05


class QuarantineShare(Part):
    """Quarantined orders, as a share of the orders of the day."""

    max: Share = 0.02


class OrphanIdentifiers(Part):
    """Rows of a kind of identifier that name no order or visitor of the day.

    A kind that usually names some and names none today is an error in any case.
    """

    max: Share = 0.05


class SuppressedRise(Threshold):
    """Fails if the share of suppressed orders rises by more than `max`.

    The share is compared with that of the partitions before, so a destination for
    which most orders are suppressed does not fail. Fewer than `at_least` suppressed
    orders never fail.
    """

    severity: Severity = "warn"
    max: Share = 0.3
    at_least: int = Field(default=5, ge=1)


class OldestUnsettled(Threshold):
    """Fails if a queued delivery has waited longer than `max_hours`."""

    severity: Severity = "warn"
    max_hours: float = Field(default=72, gt=0)


class Checks(BaseModel):
    """The thresholds of one destination; one field per check."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    nothing_lost: NothingLost = NothingLost()
    rejected_share: RejectedShare = RejectedShare()
    quarantine_share: QuarantineShare = QuarantineShare()
    suppressed_rise: SuppressedRise = SuppressedRise()
    nothing_uncertain: NothingUncertain = NothingUncertain()
    no_partition_left: NoPartitionLeft = NoPartitionLeft()
    oldest_unsettled: OldestUnsettled = OldestUnsettled()


class CheckSettings(Checks):
    """The thresholds of the deployment.

    Attributes:
        orphan_identifiers: Of the conversions, so it has no value per destination.
        destinations: Overrides per destination. A missing value keeps the common one.
    """

    orphan_identifiers: OrphanIdentifiers = OrphanIdentifiers()
    destinations: Mapping[str, Checks] = {}

    def of(self, destination: str) -> Checks:
        """Return the thresholds of a destination."""
        own = self.destinations.get(destination, Checks())
        return Checks(**{name: self._merged(name, own) for name in Checks.model_fields})

    def _merged(self, name: str, own: Checks) -> Any:
        common: Threshold = getattr(self, name)
        if name not in own.model_fields_set:
            return common
        override = getattr(own, name)
        return common.model_copy(
            update={key: getattr(override, key) for key in override.model_fields_set}
        )
