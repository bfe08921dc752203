"""Tiers that studies are moved to, and what runs of retention have moved.

Revision ID: 0030
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0030"
down_revision: str | None = "0029"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Create the tables and columns."""
    op.create_table(
        "tier_use",
        sa.Column("tier", sa.Text, primary_key=True, nullable=False),
        sa.Column("studies", sa.Integer, nullable=False),
        sa.Column("instances", sa.Integer, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("counted_at", sa.Float, nullable=False),
    )
    op.create_table("tier_copy", sa.Column("path", sa.Text, primary_key=True, nullable=False))
    op.add_column("retention_run", sa.Column("moved", sa.Integer, nullable=False, server_default="0"))
    op.add_column("retention_run", sa.Column("moved_bytes", sa.BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("retention_run", "moved_bytes")
    op.drop_column("retention_run", "moved")
    op.drop_table("tier_copy")
    op.drop_table("tier_use")
