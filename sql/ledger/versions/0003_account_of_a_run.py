"""Keep to which account a run spoke, so that no other one is told what it may have."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; runs before it spoke to an account that is not known."""
    op.add_column("export_run", sa.Column("account", sa.String(16), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("export_run", "account")
