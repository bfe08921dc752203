"""Resources of FHIR that are kept as they were sent.

Revision ID: 0020
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "fhir_resource",
        sa.Column("pk", sa.Integer, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("about", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("changed_at", sa.Float, nullable=False),
        sa.UniqueConstraint("kind", "id", name="uq_fhir_resource_kind_id"),
    )
    op.create_index("ix_fhir_resource_kind_status", "fhir_resource", ["kind", "status"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("fhir_resource")
