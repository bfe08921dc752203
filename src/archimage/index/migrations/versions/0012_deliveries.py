"""What others are to be told, kept until they have heard it.

Revision ID: 0012
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "delivery",
        sa.Column("pk", sa.Integer, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("about", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("lane", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("due_at", sa.Float, nullable=False),
        sa.Column("taken_until", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        sa.Column("error", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_delivery_state_lane_pk", "delivery", ["state", "lane", "pk"])
    op.create_index("ix_delivery_kind_state", "delivery", ["kind", "state"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("delivery")
