"""How far scrubbing is, and what it found damaged.

Revision ID: 0023
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0023"
down_revision: str | None = "0022"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "scrub_round",
        sa.Column("pk", sa.Integer, primary_key=True),
        sa.Column("due_at", sa.Float, nullable=False),
        sa.Column("began_at", sa.Float, nullable=False),
        sa.Column("after", sa.BigInteger, nullable=False),
        sa.Column("objects", sa.BigInteger, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.Float, nullable=False),
    )
    op.create_table(
        "damage",
        sa.Column("sop_instance_uid", sa.Text, primary_key=True),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("fault", sa.Text, nullable=False),
        sa.Column("found_at", sa.Float, nullable=False),
    )
    op.create_index("ix_damage_found_at", "damage", ["found_at"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("damage")
    op.drop_table("scrub_round")
