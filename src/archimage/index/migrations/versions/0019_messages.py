"""HL7 messages as they came, the reports that they brought, and which patients are one person.

Revision ID: 0019
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Create the tables."""
    _create_messages()
    _create_reports()
    _create_links()


def _create_messages() -> None:
    op.create_table(
        "hl7_message",
        sa.Column("pk", sa.Integer, primary_key=True),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("control_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("received_at", sa.Float, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("ack", sa.Text, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("fault", sa.Text, nullable=False),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("taken_until", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_hl7_message_control_id_sender", "hl7_message", ["control_id", "sender"])
    op.create_index("ix_hl7_message_state_pk", "hl7_message", ["state", "pk"])


def _create_reports() -> None:
    op.create_table(
        "report",
        sa.Column("pk", sa.Integer, primary_key=True),
        sa.Column("message_id", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("report_id", sa.Text, nullable=False),
        sa.Column("study_instance_uid", sa.Text, nullable=False),
        sa.Column("accession_number", sa.Text, nullable=False),
        sa.Column("patient_id", sa.Text, nullable=False),
        sa.Column("issuer_of_patient_id", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("observed_at", sa.Text, nullable=False),
        sa.Column("received_at", sa.Float, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_report_study_instance_uid", "report", ["study_instance_uid"])
    op.create_index("ix_report_accession_number", "report", ["accession_number"])
    op.create_index("ix_report_patient_id", "report", ["patient_id"])
    op.create_index("ix_report_message_id_position", "report", ["message_id", "position"], unique=True)


def _create_links() -> None:
    op.create_table(
        "patient_link",
        sa.Column("pk", sa.Integer, primary_key=True),
        sa.Column("one_id", sa.Text, nullable=False),
        sa.Column("one_issuer", sa.Text, nullable=False),
        sa.Column("other_id", sa.Text, nullable=False),
        sa.Column("other_issuer", sa.Text, nullable=False),
        sa.Column("linked_at", sa.Float, nullable=False),
    )
    op.create_index("ix_patient_link_other_id", "patient_link", ["other_id"])
    op.create_index(
        "ix_patient_link_one_id_one_issuer_other_id_other_issuer",
        "patient_link",
        ["one_id", "one_issuer", "other_id", "other_issuer"],
        unique=True,
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("patient_link")
    op.drop_table("report")
    op.drop_table("hl7_message")
