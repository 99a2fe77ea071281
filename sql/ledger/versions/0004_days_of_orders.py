"""Keep on which day an order is counted, so that a second row of it is seen."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def key(length: int) -> sa.String:
    """Text compared byte by byte on every database."""
    return sa.String(length).with_variant(
        sa.String(length, collation="C"), "postgresql"
    )


def upgrade() -> None:
    """Make the table; what has deliveries is counted on the first of their days."""
    op.create_table(
        "order_day",
        sa.Column("order_id", key(128), nullable=False),
        sa.Column("partition_key", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_order_day")),
    )
    op.execute(
        "insert into order_day (order_id, partition_key) "
        "select order_id, min(partition_key) from delivery "
        "where order_id not like 'row:%' group by order_id"
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("order_day")
