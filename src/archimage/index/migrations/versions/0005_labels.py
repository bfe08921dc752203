"""Labels of studies.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "label",
        sa.Column("study_instance_uid", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("study_instance_uid", "name", name="pk_label"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_label_name", "label", ["name"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("label")
