"""Scheduled procedure steps, and what they are found by.

Revision ID: 0013
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: None = None
depends_on: None = None

_SEARCHED = (
    "start_date",
    "start_time",
    "modality",
    "station_ae_title",
    "station_name",
    "performing_physician",
    "step_id",
    "patient_id",
    "patient_name",
    "accession_number",
    "study_uid",
    "requested_procedure_id",
)
_INDEXED = ("patient_id", "accession_number", "study_uid", "requested_procedure_id", "step_id", "expires_at")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "worklist",
        sa.Column("pk", sa.Integer, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("changed_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        *(sa.Column(column, sa.Text, nullable=False) for column in _SEARCHED),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_worklist_key", "worklist", ["key"], unique=True)
    op.create_index("ix_worklist_start_date_start_time", "worklist", ["start_date", "start_time"])
    for column in _INDEXED:
        op.create_index(f"ix_worklist_{column}", "worklist", [column])
    op.create_table(
        "worklist_key",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("item", sa.Integer, sa.ForeignKey("worklist.pk", ondelete="CASCADE"), primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_worklist_key_item", "worklist_key", ["item"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("worklist_key")
    op.drop_table("worklist")
