"""Objects without a patient.

Revision ID: 0021
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "object",
        sa.Column("pk", sa.Integer, primary_key=True),
        sa.Column("sop_instance_uid", sa.Text, nullable=False),
        sa.Column("sop_class_uid", sa.Text, nullable=False),
        sa.Column("transfer_syntax_uid", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("received_at", sa.Float, nullable=False),
        sa.Column("source_ae_title", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_object_sop_instance_uid", "object", ["sop_instance_uid"], unique=True)
    op.create_index("ix_object_sop_class_uid_pk", "object", ["sop_class_uid", "pk"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("object")
