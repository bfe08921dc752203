"""Removals on request, and a number that changes with a series.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Add both."""
    op.add_column("series_content", sa.Column("change", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "removal",
        sa.Column("pk", sa.Integer, nullable=False),
        sa.Column("sop_instance_uid", sa.Text, nullable=False),
        sa.Column("file_path", sa.Text),
        sa.PrimaryKeyConstraint("pk", name="pk_removal"),
    )
    op.create_index("ix_removal_sop_instance_uid", "removal", ["sop_instance_uid"])


def downgrade() -> None:
    """Take both away."""
    op.drop_table("removal")
    op.drop_column("series_content", "change")
