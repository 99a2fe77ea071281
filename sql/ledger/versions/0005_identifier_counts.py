"""Count per day what identifies no order, so that a day can be compared with others."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table. Days before it have no counts."""
    op.create_table(
        "identifier_count",
        sa.Column("partition_key", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("row_count", sa.BigInteger, nullable=False),
        sa.Column("orphan_count", sa.BigInteger, nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "partition_key", "kind", name=op.f("pk_identifier_count")
        ),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("identifier_count")
