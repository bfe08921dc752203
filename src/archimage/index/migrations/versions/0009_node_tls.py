"""Whether a remote node is called with TLS.

Revision ID: 0009
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Add the column; nodes of before it are called as they were."""
    op.add_column("node", sa.Column("tls", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("node", "tls")
