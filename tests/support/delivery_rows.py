"""Rows of `delivery` written by hand, for tests of what reads them."""

from datetime import date
from typing import Any

from sqlalchemy import insert

from assets.ledger.database import Database
from assets.ledger.tables import delivery
from support.engine import DAY, NOW


class DeliveryRows:
    """Writes deliveries of `shop`, each of an order of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._count = 0

    def add(self, state: str, minor: int | None = 1000, **changes: Any) -> str:
        """Write a delivery in USD; return its order id."""
        self._count += 1
        order_id = f"O{self._count}"
        row = {
            "delivery_id": order_id,
            "destination": "shop",
            "provider": "fake",
            "conversion_key": order_id,
            "order_id": order_id,
            "partition_key": DAY,
            "order_date": date(2026, 11, 20),
            "amount_minor": minor,
            "currency": "USD",
            "currency_digits": 2,
            "state": state,
            "attempts": 1,
            "row_version": 1,
            "created_at": NOW,
            "updated_at": NOW,
        }
        with self.database.write() as connection:
            connection.execute(insert(delivery), row | changes)
        return order_id
