"""Performed procedure steps, what they say they have made, and the studies of which others are told.

Revision ID: 0014
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: None = None
depends_on: None = None

_SEARCHED = ("state", "awaited", "study_instance_uid", "patient_id", "accession_number")


def upgrade() -> None:
    """Create the tables."""
    texts = ("state", "patient_id", "accession_number", "study_instance_uid", "modality", "station_ae_title")
    op.create_table(
        "performed_step",
        sa.Column("pk", sa.Integer, primary_key=True),
        sa.Column("sop_instance_uid", sa.Text, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in (*texts, "start_date", "source_ae_title")),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("changed_at", sa.Float, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("awaited", sa.Text, nullable=False),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.UniqueConstraint("sop_instance_uid", name="uq_performed_step_sop_instance_uid"),
        sqlite_autoincrement=True,
    )
    for name in _SEARCHED:
        op.create_index(f"ix_performed_step_{name}", "performed_step", [name])
    step = "performed_step.pk"
    op.create_table(
        "performed_instance",
        sa.Column(
            "performed_step_pk",
            sa.Integer,
            sa.ForeignKey(step, name="fk_performed_instance_performed_step_pk"),
            nullable=False,
        ),
        sa.Column("position", sa.Integer, nullable=False),
        *(
            sa.Column(f"{name}_uid", sa.Text, nullable=False)
            for name in ("series_instance", "sop_class", "sop_instance")
        ),
        sa.PrimaryKeyConstraint("performed_step_pk", "position", name="pk_performed_instance"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "grown_study",
        sa.Column("study_instance_uid", sa.Text, nullable=False),
        sa.Column("grown_at", sa.Float, nullable=False),
        sa.Column("told_at", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("study_instance_uid", name="pk_grown_study"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_grown_study_grown_at", "grown_study", ["grown_at"])


def downgrade() -> None:
    """Drop them."""
    for table in ("grown_study", "performed_instance", "performed_step"):
        op.drop_table(table)
