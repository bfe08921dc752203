"""Print jobs.

Revision ID: 0017
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0015"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "print_job",
        sa.Column("uid", sa.Text, primary_key=True),
        sa.Column("printer", sa.Text, nullable=False),
        sa.Column("originator", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("priority", sa.Text, nullable=False),
        sa.Column("copies", sa.Integer, nullable=False),
        sa.Column("films", sa.Integer, nullable=False),
        sa.Column("dpi", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("ended_at", sa.Float),
        sa.Column("error", sa.Text, nullable=False),
    )
    for column in ("created_at", "state", "ended_at"):
        op.create_index(f"ix_print_job_{column}", "print_job", [column])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("print_job")
