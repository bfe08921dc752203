"""Remote nodes that were entered at run time.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "node",
        sa.Column("pk", sa.Integer, nullable=False),
        sa.Column("ae_title", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("changed_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("pk", name="pk_node"),
        sa.UniqueConstraint("ae_title", name="uq_node_ae_title"),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("node")
