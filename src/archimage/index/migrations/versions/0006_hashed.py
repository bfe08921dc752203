"""Orthanc identifiers of what is kept.

Revision ID: 0006
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "hashed",
        sa.Column("depth", sa.Integer, nullable=False),
        sa.Column("row_pk", sa.Integer, nullable=False),
        sa.Column("key", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("depth", "row_pk", name="pk_hashed"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_hashed_key_depth", "hashed", ["key", "depth"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("hashed")
