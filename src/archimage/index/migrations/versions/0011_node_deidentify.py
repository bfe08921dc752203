"""For which project, and with which options, what goes to a remote node is de-identified.

Revision ID: 0011
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: None = None
depends_on: None = None

_COLUMNS = ("deidentify", "deidentify_options")


def upgrade() -> None:
    """Add the columns; to nodes of before it everything goes as it did."""
    for name in _COLUMNS:
        op.add_column("node", sa.Column(name, sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    """Drop them."""
    for name in _COLUMNS:
        op.drop_column("node", name)
