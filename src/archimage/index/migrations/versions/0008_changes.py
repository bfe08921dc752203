"""The trail of corrections, merges and moves.

Revision ID: 0008
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Create the tables."""
    texts = ("address", "user_agent", "reason", "code", "error", "patient", "person", "new_values")
    op.create_table(
        "change",
        sa.Column("pk", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("asked_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        *(sa.Column(name, sa.Text, nullable=False) for name in (*texts, "series_instance_uid")),
        sa.PrimaryKeyConstraint("pk", name="pk_change"),
    )
    op.create_index("ix_change_state", "change", ["state"])
    op.create_table(
        "change_study",
        sa.Column("change_pk", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("study_instance_uid", sa.Text, nullable=False),
        sa.Column("old_values", sa.Text, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("objects", "done", "failed")),
        sa.Column("problems", sa.Text, nullable=False),
        sa.Column("is_done", sa.Integer, nullable=False),
        sa.ForeignKeyConstraint(["change_pk"], ["change.pk"], name="fk_change_study_change_pk"),
        sa.PrimaryKeyConstraint("change_pk", "position", name="pk_change_study"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_change_study_study_instance_uid", "change_study", ["study_instance_uid"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("change_study")
    op.drop_table("change")
