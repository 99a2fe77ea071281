"""Make the delivery tables: delivery, delivery_attempt and what belongs to them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def instant() -> sa.DateTime:
    """An aware instant where the database has one."""
    return sa.DateTime(timezone=True)


def key(length: int) -> sa.String:
    """Text compared byte by byte on every database."""
    return sa.String(length).with_variant(
        sa.String(length, collation="C"), "postgresql"
    )


BODIES = ("request_json", "response_text")
"""What retention takes away; nothing else of an attempt ever changes."""

REFUSALS = {
    "delete": "delete on delivery_attempt",
    "update": "update of {others} on delivery_attempt",
    "body": """update of request_json, response_text on delivery_attempt
        {each} when (
            new.request_json is not null or new.response_text is not null
        )""",
}
KEEP_ATTEMPTS = {
    "sqlite": """
        create trigger delivery_attempt_{name} before {event}
        begin
            select raise(abort, 'delivery_attempt is append-only');
        end
    """,
    "postgresql": """
        create trigger delivery_attempt_{name} before {event}
        execute function keep_delivery_attempt()
    """,
}
REFUSE = """
    create function keep_delivery_attempt() returns trigger language plpgsql as $$
    begin
        raise exception 'delivery_attempt is append-only';
    end $$
"""


def keep_attempts() -> None:
    """Refuse, in the database, to change or delete an attempt."""
    bind = op.get_bind()
    dialect = bind.dialect.name
    if dialect == "postgresql":
        op.execute(REFUSE)
    columns = [one["name"] for one in sa.inspect(bind).get_columns("delivery_attempt")]
    others = ", ".join(name for name in columns if name not in BODIES)
    each = "for each row" if dialect == "postgresql" else ""
    for name, event in REFUSALS.items():
        refused = event.format(others=others, each=each)
        op.execute(KEEP_ATTEMPTS[dialect].format(name=name, event=refused))


def upgrade() -> None:
    """Make the delivery tables."""
    op.create_table(
        "data_issue",
        sa.Column("partition_key", sa.String(length=32), nullable=False),
        sa.Column("order_id", key(128), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("destination", sa.String(length=64), nullable=True),
        sa.Column("detail", sa.String(length=512), nullable=True),
        sa.Column("first_seen", instant(), nullable=False),
        sa.Column("last_seen", instant(), nullable=False),
        sa.PrimaryKeyConstraint(
            "partition_key", "order_id", "code", "subject", name=op.f("pk_data_issue")
        ),
    )
    op.create_table(
        "delivery",
        sa.Column("delivery_id", key(64), nullable=False),
        sa.Column("destination", key(64), nullable=False),
        sa.Column("provider", sa.String(length=16), nullable=False),
        sa.Column("conversion_key", key(256), nullable=False),
        sa.Column("order_id", key(128), nullable=False),
        sa.Column("partition_key", sa.String(length=32), nullable=False),
        sa.Column("order_at", instant(), nullable=True),
        sa.Column("order_date", sa.Date(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("currency_digits", sa.SmallInteger(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("state_reason", sa.String(length=64), nullable=True),
        sa.Column("state_detail", sa.String(length=512), nullable=True),
        sa.Column("provider_ref", sa.String(length=256), nullable=True),
        sa.Column("provider_status", sa.String(length=64), nullable=True),
        sa.Column("source_hash", sa.String(length=64), nullable=True),
        sa.Column("payload_hash", sa.String(length=64), nullable=True),
        sa.Column("mapping_version", sa.String(length=32), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_sent_at", instant(), nullable=True),
        sa.Column("last_sent_at", instant(), nullable=True),
        sa.Column("accepted_at", instant(), nullable=True),
        sa.Column("settled_at", instant(), nullable=True),
        sa.Column("settle_seconds", sa.Integer(), nullable=True),
        sa.Column("next_attempt_at", instant(), nullable=True),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("lease_until", instant(), nullable=True),
        sa.Column("run_id", sa.String(length=64), nullable=True),
        sa.Column("row_version", sa.Integer(), nullable=False),
        sa.Column("created_at", instant(), nullable=False),
        sa.Column("updated_at", instant(), nullable=False),
        sa.CheckConstraint(
            "state in ('pending', 'suppressed', 'quarantined', 'sending', 'retryable', "
            "'uncertain', 'queued', 'staged', 'accepted', 'settled', 'duplicate', "
            "'rejected', 'exhausted')",
            name=op.f("ck_delivery_state"),
        ),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_delivery")),
        sa.UniqueConstraint(
            "destination",
            "conversion_key",
            name=op.f("uq_delivery_destination_conversion_key"),
        ),
    )
    op.create_index(
        "ix_delivery_destination_order",
        "delivery",
        ["destination", "order_id"],
        unique=False,
    )
    op.create_index("ix_delivery_order", "delivery", ["order_id"], unique=False)
    op.create_index(
        "ix_delivery_partition",
        "delivery",
        ["partition_key", "destination", "state"],
        unique=False,
    )
    op.create_index(
        "ix_delivery_state",
        "delivery",
        ["destination", "state", "next_attempt_at"],
        unique=False,
    )
    op.create_table(
        "export_run",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("partition_key", sa.String(length=32), nullable=False),
        sa.Column("provider", sa.String(length=16), nullable=False),
        sa.Column("started_at", instant(), nullable=False),
        sa.Column("ended_at", instant(), nullable=True),
        sa.Column("outcome", sa.String(length=32), nullable=True),
        sa.Column("stop_reason", sa.String(length=512), nullable=True),
        sa.Column("requests", sa.Integer(), nullable=True),
        sa.Column("conversions_sent", sa.Integer(), nullable=True),
        sa.Column("eligible", sa.Integer(), nullable=True),
        sa.Column("amounts_minor", sa.JSON(), nullable=True),
        sa.Column("counts", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint(
            "run_id", "destination", "partition_key", name=op.f("pk_export_run")
        ),
    )
    op.create_index(
        "ix_export_run_partition",
        "export_run",
        ["partition_key", "destination"],
        unique=False,
    )
    op.create_table(
        "quarantine_row",
        sa.Column("partition_key", sa.String(length=32), nullable=False),
        sa.Column("dataset", sa.String(length=64), nullable=False),
        sa.Column("source_row_hash", sa.String(length=64), nullable=False),
        sa.Column("row_no", sa.BigInteger(), nullable=True),
        sa.Column("order_id", key(128), nullable=True),
        sa.Column("order_at", instant(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("currency_digits", sa.SmallInteger(), nullable=True),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("row_redacted", sa.JSON(), nullable=False),
        sa.Column("first_seen", instant(), nullable=False),
        sa.Column("last_seen", instant(), nullable=False),
        sa.Column("resolved_at", instant(), nullable=True),
        sa.PrimaryKeyConstraint(
            "partition_key",
            "dataset",
            "source_row_hash",
            name=op.f("pk_quarantine_row"),
        ),
    )
    op.create_index(
        "ix_quarantine_row_order", "quarantine_row", ["order_id"], unique=False
    )
    op.create_table(
        "remembered",
        sa.Column("destination", key(64), nullable=False),
        sa.Column("key_hash", key(64), nullable=False),
        sa.Column("order_id", key(128), nullable=False),
        sa.Column("remembered_at", instant(), nullable=False),
        sa.PrimaryKeyConstraint("destination", "key_hash", name=op.f("pk_remembered")),
    )
    op.create_table(
        "source_total",
        sa.Column("partition_key", sa.String(length=32), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("currency_digits", sa.SmallInteger(), nullable=False),
        sa.Column("orders", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=True),
        sa.Column("counted_at", instant(), nullable=False),
        sa.PrimaryKeyConstraint(
            "partition_key", "currency", name=op.f("pk_source_total")
        ),
    )
    op.create_table(
        "guard_override",
        sa.Column("run_id", sa.String(length=64), nullable=False),
        sa.Column("partition_key", sa.String(length=32), nullable=False),
        sa.Column("objections", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(length=512), nullable=False),
        sa.Column("overridden_at", instant(), nullable=False),
        sa.PrimaryKeyConstraint(
            "run_id", "partition_key", name=op.f("pk_guard_override")
        ),
    )
    op.create_table(
        "delivery_attempt",
        sa.Column("attempt_id", sa.String(length=36), nullable=False),
        sa.Column("event", sa.String(length=8), nullable=False),
        sa.Column("delivery_id", key(64), nullable=False),
        sa.Column("attempt_no", sa.Integer(), nullable=False),
        sa.Column("step_no", sa.SmallInteger(), nullable=False),
        sa.Column("happened_at", instant(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=True),
        sa.Column("partition_key", sa.String(length=32), nullable=True),
        sa.Column("code_version", sa.String(length=32), nullable=True),
        sa.Column("decided_by", sa.String(length=64), nullable=False),
        sa.Column("batch_id", sa.String(length=36), nullable=True),
        sa.Column("batch_index", sa.Integer(), nullable=True),
        sa.Column("method", sa.String(length=8), nullable=True),
        sa.Column("host", sa.String(length=256), nullable=True),
        sa.Column("path_template", sa.String(length=256), nullable=True),
        sa.Column("request_json", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("request_bytes", sa.Integer(), nullable=True),
        sa.Column("request_hash", sa.String(length=64), nullable=True),
        sa.Column("phase", sa.String(length=16), nullable=True),
        sa.Column("http_status", sa.SmallInteger(), nullable=True),
        sa.Column("error_class", sa.String(length=64), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("retry_after_s", sa.Integer(), nullable=True),
        sa.Column("response_text", sa.String(length=8192), nullable=True),
        sa.Column("response_bytes", sa.Integer(), nullable=True),
        sa.Column("response_hash", sa.String(length=64), nullable=True),
        sa.Column("response_truncated", sa.Boolean(), nullable=True),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("detail", sa.String(length=512), nullable=True),
        sa.Column("from_state", sa.String(length=16), nullable=True),
        sa.Column("to_state", sa.String(length=16), nullable=True),
        sa.CheckConstraint(
            "event in ('intent', 'outcome', 'settle', 'manual', 'fenced')",
            name=op.f("ck_delivery_attempt_event"),
        ),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["delivery.delivery_id"],
            name=op.f("fk_delivery_attempt_delivery_id"),
        ),
        sa.PrimaryKeyConstraint(
            "attempt_id", "event", name=op.f("pk_delivery_attempt")
        ),
        sa.UniqueConstraint(
            "delivery_id",
            "attempt_no",
            "step_no",
            "event",
            name=op.f("uq_delivery_attempt_delivery_id_attempt_no_step_no_event"),
        ),
    )
    keep_attempts()


def downgrade() -> None:
    """Drop the delivery tables."""
    op.drop_table("delivery_attempt")
    op.drop_table("guard_override")
    op.drop_table("source_total")
    op.drop_table("remembered")
    op.drop_index("ix_quarantine_row_order", table_name="quarantine_row")
    op.drop_table("quarantine_row")
    op.drop_index("ix_export_run_partition", table_name="export_run")
    op.drop_table("export_run")
    op.drop_index("ix_delivery_state", table_name="delivery")
    op.drop_index("ix_delivery_partition", table_name="delivery")
    op.drop_index("ix_delivery_order", table_name="delivery")
    op.drop_index("ix_delivery_destination_order", table_name="delivery")
    op.drop_table("delivery")
    op.drop_table("data_issue")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("drop function keep_delivery_attempt()")
