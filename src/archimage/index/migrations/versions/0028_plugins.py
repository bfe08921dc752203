"""Plugins, and studies of which somebody is to hear once they are complete.

Revision ID: 0028
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0028"
down_revision: str | None = "0026"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "plugin",
        sa.Column("name", sa.Text, primary_key=True, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("hooks", sa.Text),
        sa.Column("disabled_at", sa.Float),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("generation", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("calls", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("failures", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("dropped", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("last_error", sa.Text, nullable=False),
        sa.Column("last_error_at", sa.Float),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "completing_study",
        sa.Column("audience", sa.Text, primary_key=True, nullable=False),
        sa.Column("study_instance_uid", sa.Text, primary_key=True, nullable=False),
        sa.Column("grown_at", sa.Float, nullable=False),
        sa.Column("told_at", sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_completing_study_audience_grown_at", "completing_study", ["audience", "grown_at"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("completing_study")
    op.drop_table("plugin")
