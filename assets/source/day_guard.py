"""Applies the guards to a day before anything of it is sent.

The rules are in `guards.py`. This module reads the days before, remembers the days that
passed in this run, and records overrides.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from assets.ledger.database import Database
from assets.ledger.rows import Clock, utc_now
from assets.ledger.runs import (
    overridden_objections,
    previous_source_totals,
    record_guard_override,
)
from assets.source.guards import (
    GuardError,
    Guards,
    QuarantinedOrders,
    Volume,
    guard_violations,
    quarantine_violations,
)


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
        self,
        day: Volume,
        partition_key: str,
        *,
        run_id: str,
        override: str,
        quarantined: QuarantinedOrders | None = None,
    ) -> None:
        """Accept an extracted day, or refuse it before it is staged.

        Args:
            day: The volume of the day.
            partition_key: The day, `YYYY-MM-DD`.
            quarantined: The orders that validation refused; None: none.
            run_id: Recorded with an override.
            override: The reason why the day is right in spite of the guards; empty: the
                guards apply.

        Raises:
            GuardError: The day violates a guard and there is no override.
        """
        violations = self._not_overridden(
            partition_key,
            guard_violations(day, self._earlier_days(partition_key), self.guards)
            + quarantine_violations(quarantined or QuarantinedOrders(), self.guards),
        )
        if violations and not override:
            raise GuardError(_message(partition_key, violations))
        if day.orders:
            self._accepted[partition_key] = day
        self._record(violations, partition_key, run_id=run_id, override=override)

    def check_quarantined(
        self,
        quarantined: QuarantinedOrders,
        partition_key: str,
        *,
        step: str,
        asset: str,
        effect: str,
        run_id: str,
        override: str,
    ) -> None:
        """Accept a day by its quarantined orders, or refuse it before it is sent.

        Args:
            quarantined: The orders that were quarantined so far.
            partition_key: The day, `YYYY-MM-DD`.
            step: What is refused, as the message begins: `Joining`.
            asset: The asset whose configuration takes an override.
            effect: What a refusal prevented, as a sentence.
            run_id: Recorded with an override.
            override: The reason why the day is right in spite of the guard; empty: the
                guard applies.

        Raises:
            GuardError: Too many orders are quarantined and there is no override.
        """
        violations = self._not_overridden(
            partition_key, quarantine_violations(quarantined, self.guards)
        )
        if violations and not override:
            message = (
                f"{step} was refused for {partition_key}: expected "
                f"{'; '.join(violations)}. {effect} Query quarantine_row and "
                "v_top_reasons, and correct the source or the settings; if the day is "
                "right, run it again with --override and the reason (in the UI: "
                f"`override` of {asset})."
            )
            raise GuardError(message)
        self._record(violations, partition_key, run_id=run_id, override=override)

    def _not_overridden(
        self, partition_key: str, violations: Sequence[str]
    ) -> Sequence[str]:
        """Leave out what a person has let pass on this day, with the same figures."""
        if not violations:
            return ()
        known = overridden_objections(self.database, partition_key)
        return [one for one in violations if one not in known]

    def _record(
        self,
        violations: Sequence[str],
        partition_key: str,
        *,
        run_id: str,
        override: str,
    ) -> None:
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
