"""What the sender of an instance called this archive by.

Revision ID: 0031
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0031"
down_revision: str | None = "0030"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Add the column; of instances of before it that is not known."""
    op.add_column("instance", sa.Column("called_ae_title", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("instance", "called_ae_title")
