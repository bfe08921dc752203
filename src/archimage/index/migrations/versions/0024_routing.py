"""Where rules of routing stand with studies.

Revision ID: 0024
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0024"
down_revision: str | None = "0023"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "routed",
        sa.Column("rule", sa.Text, primary_key=True, nullable=False),
        sa.Column("study_instance_uid", sa.Text, primary_key=True, nullable=False),
        sa.Column("mark_number", sa.BigInteger, nullable=False),
        sa.Column("mark_at", sa.Float, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("instances", sa.Integer, nullable=False),
        sa.Column("job", sa.BigInteger, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("changed_at", sa.Float, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_routed_changed_at", "routed", ["changed_at"])
    op.create_index("ix_routed_study_instance_uid", "routed", ["study_instance_uid"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("routed")
