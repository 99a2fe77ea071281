"""What the asset checks tolerate, and how loud they are: the `[checks]` table.

Settings only; what is looked at and said stands in `checks.py`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Severity = Literal["error", "warn", "off"]
Share = Annotated[float, Field(ge=0, le=1)]


class Threshold(BaseModel):
    """One check.

    Attributes:
        severity: What a failure is: `error` (act now), `warn` (look at it), or `off`:
            the figures are shown, and nothing fails.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    severity: Severity


class Count(Threshold):
    """Fails where there are more than `max`."""

    max: int = Field(default=0, ge=0)


class NothingLost(Count):
    """Orders of the source without a delivery."""

    severity: Severity = "error"


class NothingUncertain(Count):
    """Deliveries that may have counted, and that no run sends again."""

    severity: Severity = "warn"


class NoPartitionLeft(Count):
    """Partitions whose last run left something that running again helps."""

    severity: Severity = "error"


class Part(Threshold):
    """Fails where a larger share than `max` and at least `at_least` orders are."""

    severity: Severity = "warn"
    max: Share
    at_least: int = Field(default=5, ge=1)


class RejectedShare(Part):
    """Orders that the provider refused, of those that were to be sent."""

    max: Share = 0.05


class QuarantineShare(Part):
    """Orders of the day whose rows are not fit to be sent."""

    max: Share = 0.02


class SuppressedRise(Threshold):
    """Fails where the share of orders that a rule withholds rises by more than `max`.

    Against the partitions before; a destination of which most orders are withheld is
    as quiet as one that takes all. Fewer than `at_least` such orders never fail.
    """

    severity: Severity = "warn"
    max: Share = 0.3
    at_least: int = Field(default=5, ge=1)


class OldestUnsettled(Threshold):
    """Fails where a queued delivery has waited longer than `max_hours`."""

    severity: Severity = "warn"
    max_hours: float = Field(default=72, gt=0)


class Checks(BaseModel):
    """What the checks of a destination tolerate; one field per check."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    nothing_lost: NothingLost = NothingLost()
    rejected_share: RejectedShare = RejectedShare()
    quarantine_share: QuarantineShare = QuarantineShare()
    suppressed_rise: SuppressedRise = SuppressedRise()
    nothing_uncertain: NothingUncertain = NothingUncertain()
    no_partition_left: NoPartitionLeft = NoPartitionLeft()
    oldest_unsettled: OldestUnsettled = OldestUnsettled()


class CheckSettings(Checks):
    """What all checks tolerate.

    Attributes:
        destinations: What differs for a destination; what is left out stays.
    """

    destinations: Mapping[str, Checks] = {}

    def of(self, destination: str) -> Checks:
        """Return what the checks of a destination tolerate."""
        own = self.destinations.get(destination, Checks())
        return Checks(**{name: self._merged(name, own) for name in Checks.model_fields})

    def _merged(self, name: str, own: Checks) -> Any:
        common: Threshold = getattr(self, name)
        if name not in own.model_fields_set:
            return common
        said = getattr(own, name)
        return common.model_copy(
            update={key: getattr(said, key) for key in said.model_fields_set}
        )
