"""What is about to be deleted in the object store, or was lately.

Revision ID: 0033
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0033"
down_revision: str | None = "0032"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "remote_deletion",
        sa.Column("path", sa.Text, primary_key=True, nullable=False),
        sa.Column("noted_at", sa.Float, nullable=False),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("remote_deletion")
