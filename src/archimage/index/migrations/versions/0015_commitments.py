"""Transactions of storage commitment.

Revision ID: 0015
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "commitment",
        sa.Column("pk", sa.Integer, primary_key=True),
        sa.Column("direction", sa.Text, nullable=False),
        sa.Column("transaction_uid", sa.Text, nullable=False),
        sa.Column("ae_title", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("verified_at", sa.Float),
        sa.Column("ended_at", sa.Float),
        sa.Column("retrieve_ae_title", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("referenced", sa.LargeBinary, nullable=False),
        sa.Column("failures", sa.LargeBinary),
        sqlite_autoincrement=True,
    )
    unique = ["direction", "transaction_uid"]
    op.create_index("ix_commitment_direction_transaction_uid", "commitment", unique, unique=True)
    op.create_index("ix_commitment_direction_ae_title_state", "commitment", ["direction", "ae_title", "state"])
    op.create_index("ix_commitment_state_ended_at", "commitment", ["state", "ended_at"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("commitment")
