"""SQLAlchemy definitions of the delivery tables; `sql/ledger` has the migrations.

Money is in minor units, so that sums are exact on every database. Instants are UTC.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator

from assets.ledger.states import State


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant; SQLite has no zones and stores it without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Convert an aware instant to the stored value."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = f"Writing an instant failed: expected a time zone, got {value!r}."
            raise ValueError(message)
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """Convert a stored value to an aware UTC instant."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value


def key(length: int) -> String:
    """Return a text type compared byte by byte on every database.

    Ranges of keys are then the same on every database.
    """
    return String(length).with_variant(String(length, collation="C"), "postgresql")


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

_STATES = ", ".join(f"'{state}'" for state in State)

delivery = Table(
    "delivery",
    metadata,
    Column("delivery_id", key(64), primary_key=True),
    Column("destination", key(64), nullable=False),
    Column("provider", String(16), nullable=False),
    Column("conversion_key", key(256), nullable=False),
    Column("order_id", key(128), nullable=False),
    Column("partition_key", String(32), nullable=False),
    Column("order_at", Instant),
    Column("order_date", Date),
    Column("amount_minor", BigInteger),
    Column("currency", String(3)),
    Column("currency_digits", SmallInteger),
    Column("state", String(16), nullable=False),
    Column("state_reason", String(64)),
    Column("state_detail", String(512)),
    Column("provider_ref", String(256)),
    Column("provider_status", String(64)),
    Column("source_hash", String(64)),
    Column("payload_hash", String(64)),
    Column("mapping_version", String(32)),
    Column("attempts", Integer, nullable=False),
    Column("first_sent_at", Instant),
    Column("last_sent_at", Instant),
    Column("accepted_at", Instant),
    Column("settled_at", Instant),
    Column("settle_seconds", Integer),
    Column("next_attempt_at", Instant),
    Column("owner", String(64)),
    Column("lease_until", Instant),
    Column("run_id", String(64)),
    Column("row_version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("destination", "conversion_key"),
    CheckConstraint(f"state in ({_STATES})", name="state"),
    Index("ix_delivery_destination_order", "destination", "order_id"),
    Index("ix_delivery_partition", "partition_key", "destination", "state"),
    Index("ix_delivery_order", "order_id"),
    Index("ix_delivery_state", "destination", "state", "next_attempt_at"),
)

delivery_attempt = Table(
    "delivery_attempt",
    metadata,
    Column("attempt_id", String(36), primary_key=True),
    Column("event", String(8), primary_key=True),
    Column("delivery_id", key(64), ForeignKey("delivery.delivery_id"), nullable=False),
    Column("attempt_no", Integer, nullable=False),
    Column("step_no", SmallInteger, nullable=False),
    Column("happened_at", Instant, nullable=False),
    Column("run_id", String(64)),
    Column("partition_key", String(32)),
    Column("code_version", String(32)),
    Column("decided_by", String(64), nullable=False),
    Column("batch_id", String(36)),
    Column("batch_index", Integer),
    Column("method", String(8)),
    Column("host", String(256)),
    Column("path_template", String(256)),
    Column("request_json", JSON(none_as_null=True)),
    Column("request_bytes", Integer),
    Column("request_hash", String(64)),
    Column("phase", String(16)),
    Column("http_status", SmallInteger),
    Column("error_class", String(64)),
    Column("duration_ms", Integer),
    Column("retry_after_s", Integer),
    Column("response_text", String(8192)),
    Column("response_bytes", Integer),
    Column("response_hash", String(64)),
    Column("response_truncated", Boolean),
    Column("reason", String(64)),
    Column("detail", String(512)),
    Column("from_state", String(16)),
    Column("to_state", String(16)),
    UniqueConstraint("delivery_id", "attempt_no", "step_no", "event"),
    CheckConstraint(
        "event in ('intent', 'outcome', 'settle', 'manual', 'fenced')", name="event"
    ),
)

quarantine_row = Table(
    "quarantine_row",
    metadata,
    Column("partition_key", String(32), primary_key=True),
    Column("dataset", String(64), primary_key=True),
    Column("source_row_hash", String(64), primary_key=True),
    Column("row_no", BigInteger),
    Column("order_id", key(128)),
    Column("order_at", Instant),
    Column("amount_minor", BigInteger),
    Column("currency", String(3)),
    Column("currency_digits", SmallInteger),
    Column("reasons", JSON, nullable=False),
    Column("row_redacted", JSON, nullable=False),
    Column("first_seen", Instant, nullable=False),
    Column("last_seen", Instant, nullable=False),
    Column("resolved_at", Instant),
    Index("ix_quarantine_row_order", "order_id"),
)

order_day = Table(
    "order_day",
    metadata,
    Column("order_id", key(128), primary_key=True),
    Column("partition_key", String(32), nullable=False),
)

data_issue = Table(
    "data_issue",
    metadata,
    Column("partition_key", String(32), primary_key=True),
    Column("order_id", key(128), primary_key=True),
    Column("code", String(64), primary_key=True),
    Column("subject", String(128), primary_key=True),
    Column("destination", String(64)),
    Column("detail", String(512)),
    Column("first_seen", Instant, nullable=False),
    Column("last_seen", Instant, nullable=False),
)

remembered = Table(
    "remembered",
    metadata,
    Column("destination", key(64), primary_key=True),
    Column("key_hash", key(64), primary_key=True),
    Column("order_id", key(128), nullable=False),
    Column("remembered_at", Instant, nullable=False),
)

source_total = Table(
    "source_total",
    metadata,
    Column("partition_key", String(32), primary_key=True),
    Column("currency", String(3), primary_key=True),
    Column("currency_digits", SmallInteger, nullable=False),
    Column("orders", BigInteger, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("run_id", String(64)),
    Column("counted_at", Instant, nullable=False),
)

identifier_count = Table(
    "identifier_count",
    metadata,
    Column("partition_key", String(32), primary_key=True),
    Column("kind", String(64), primary_key=True),
    Column("row_count", BigInteger, nullable=False),
    Column("orphan_count", BigInteger, nullable=False),
    Column("counted_at", Instant, nullable=False),
)

guard_override = Table(
    "guard_override",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("partition_key", String(32), primary_key=True),
    Column("objections", JSON, nullable=False),
    Column("reason", String(512), nullable=False),
    Column("overridden_at", Instant, nullable=False),
)

question = Table(
    "question",
    metadata,
    Column("question_id", String(36), primary_key=True),
    Column("destination", key(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("run_id", String(64)),
    Index("ix_question_destination", "destination", "kind"),
)

export_run = Table(
    "export_run",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("destination", String(64), primary_key=True),
    Column("partition_key", String(32), primary_key=True),
    Column("provider", String(16), nullable=False),
    Column("account", String(16)),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("outcome", String(32)),
    Column("stop_reason", String(512)),
    Column("requests", Integer),
    Column("conversions_sent", Integer),
    Column("eligible", Integer),
    Column("amounts_minor", JSON),
    Column("counts", JSON),
    Index("ix_export_run_partition", "partition_key", "destination"),
)
