"""Keep what a provider was asked, so that a budget of calls is kept by all runs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def key(length: int) -> sa.String:
    """Text compared byte by byte on every database."""
    return sa.String(length).with_variant(
        sa.String(length, collation="C"), "postgresql"
    )


def upgrade() -> None:
    """Make the table of questions."""
    op.create_table(
        "question",
        sa.Column("question_id", sa.String(length=36), nullable=False),
        sa.Column("destination", key(64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("question_id", name=op.f("pk_question")),
    )
    op.create_index("ix_question_destination", "question", ["destination", "kind"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_question_destination", table_name="question")
    op.drop_table("question")
