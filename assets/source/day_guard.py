"""Applies the guards to a day before it is staged.

The rules are in `guards.py`. This module reads the days before, remembers the days that
passed in this run, and records overrides.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from assets.ledger.database import Database
from assets.ledger.rows import Clock, utc_now
from assets.ledger.runs import previous_source_totals, record_guard_override
from assets.source.guards import GuardError, Guards, Volume, guard_violations


@dataclass(frozen=True, slots=True)
class DayGuard:
    """Decides whether the volume of a day is plausible.

    Attributes:
        database: The delivery tables.
        guards: The limits of a day.
        clock: The time of an override.
    """

    database: Database
    guards: Guards = field(default_factory=Guards)
    clock: Clock = utc_now
    _accepted: dict[str, Volume] = field(default_factory=dict, repr=False)
    """Days of this run. They are counted in the delivery tables only later."""

    def check(
        self, day: Volume, partition_key: str, *, run_id: str, override: str
    ) -> None:
        """Accept a day, or refuse it.

        Args:
            day: The volume of the day.
            partition_key: The day, `YYYY-MM-DD`.
            run_id: Recorded with an override.
            override: The reason why the day is right in spite of the guards; empty: the
                guards apply.

        Raises:
            GuardError: The day violates a guard and there is no override.
        """
        violations = guard_violations(
            day, self._earlier_days(partition_key), self.guards
        )
        if violations and not override:
            raise GuardError(_message(partition_key, violations))
        if day.orders:
            self._accepted[partition_key] = day
        if violations:
            record_guard_override(
                self.database,
                partition_key,
                run_id=run_id,
                objections=violations,
                reason=override,
                at=self.clock(),
            )

    def _earlier_days(self, partition_key: str) -> list[Volume]:
        days = self.guards.compare_days
        counted = previous_source_totals(self.database, partition_key, days)
        known = {key: Volume(totals) for key, totals in counted.items()}
        known |= self._accepted
        return [known[key] for key in sorted(known) if key < partition_key][-days:]


def _message(partition_key: str, violations: Sequence[str]) -> str:
    return (
        f"Extracting was refused for {partition_key}: expected "
        f"{'; '.join(violations)}. Nothing was staged or sent. Look at the warehouse; "
        "if the day is right, run it again with --override and the reason (in the UI: "
        "`override` of completed_orders)."
    )
