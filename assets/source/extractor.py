"""Extracts a day: good rows to the staging folder, refused rows to the quarantine.

Reading and validating one statement is in `extract.py`, the check of a whole day in
`day_guard.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa

from assets.ledger.quarantine import ORDERS, Quarantine
from assets.source.day_guard import DayGuard
from assets.source.extract import ExtractResult, Window, extract
from assets.source.guards import VolumeCounter
from assets.source.warehouse import Warehouse
from assets.source.window import WindowGuard
from assets.staging import Staging
from assets.validation.reject_buffer import reject_buffer
from assets.validation.rejects import OnRejects, Reject, quarantine_rows


@dataclass(frozen=True, slots=True)
class Extractor:
    """Extracts the statements of a day.

    Attributes:
        warehouse: The database that holds the orders.
        staging: Takes the good rows.
        guard: Checks each day of orders; its database takes the refused rows.
        extra_columns: Columns beyond the contract that a destination is sent. No other
            column is staged.
    """

    warehouse: Warehouse = field(repr=False)
    staging: Staging
    guard: DayGuard
    extra_columns: frozenset[str] = frozenset()

    def extract_orders(
        self,
        partition_key: str,
        window: Window,
        *,
        run_id: str,
        override: str = "",
        on_rows: Callable[[int], object] = lambda _rows: None,
    ) -> ExtractResult:
        """Stage the completed orders of a day that passes the guards.

        Args:
            partition_key: The day, `YYYY-MM-DD`.
            window: The bounds of the day.
            run_id: Recorded with an override.
            override: The reason why the day is right in spite of the guards; empty: the
                guards apply.
            on_rows: Called with the number of staged rows, chunk by chunk.

        Raises:
            GuardError: The day was refused. Nothing of it was staged.
        """

        def count(rows: pa.Table) -> None:
            counter.add_good(rows)
            on_rows(len(rows))

        counter = VolumeCounter()
        return self.extract(
            ORDERS,
            partition_key,
            window,
            on_good=count,
            on_rejects=counter.add_rejects,
            before_commit=lambda: self.guard.check(
                counter.volume,
                partition_key,
                run_id=run_id,
                override=override,
                quarantined=counter.quarantined,
            ),
        )

    def extract(
        self,
        statement: str,
        partition_key: str,
        window: Window,
        *,
        on_good: Callable[[pa.Table], object] = lambda _rows: None,
        on_rejects: OnRejects = lambda _rejects: None,
        before_commit: Callable[[], object] = lambda: None,
    ) -> ExtractResult:
        """Stage the good rows of a statement and quarantine the refused ones.

        Args:
            statement: One of `schemas.EXTRACTS`.
            partition_key: The day, `YYYY-MM-DD`.
            window: The bounds of the day.
            on_good: Called with the staged rows, chunk by chunk.
            on_rejects: Called with the refused rows, chunk by chunk.
            before_commit: Called when all rows were read. If it raises, the staged file
                and the quarantine stay as they were.

        Raises:
            GuardError: An order lies outside the window. Nothing was staged.
            WarehouseError: The statement gave no usable rows.
        """
        # The rows of the other statements have no `completed_at`.
        guard = WindowGuard(partition_key, window) if statement == ORDERS else None
        quarantine = Quarantine(self.guard.database, partition_key, self.guard.clock())
        with reject_buffer() as buffer:

            def count(rows: pa.Table) -> None:
                if guard:
                    guard.add_good(rows)
                on_good(rows)

            def keep(rejects: list[Reject]) -> None:
                if guard:
                    guard.add_rejects(rejects)
                buffer.append(rejects)
                on_rejects(rejects)

            def commit() -> None:
                if guard:
                    guard.check()
                before_commit()
                for rejects in buffer.read_back():
                    quarantine.store(quarantine_rows(rejects))

            result = extract(
                self.warehouse,
                self.staging,
                statement,
                partition_key,
                window,
                extra_columns=self.extra_columns,
                on_good=count,
                on_rejects=keep,
                before_commit=commit,
            )
        quarantine.mark_resolved(statement)
        return result
