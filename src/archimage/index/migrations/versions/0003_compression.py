"""What an instance was before the archive compressed it, and which instances wait for that.

Revision ID: 0003
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: None = None
depends_on: None = None

_COLUMNS = ("original_transfer_syntax_uid", "original_size_bytes", "original_sha256", "compress_to")
_TYPES = (sa.Text, sa.Integer, sa.LargeBinary, sa.Text)


def upgrade() -> None:
    """Add the columns, and an index over those that wait."""
    for name, kind in zip(_COLUMNS, _TYPES, strict=True):
        op.add_column("instance", sa.Column(name, kind))
    waiting = sa.text("compress_to IS NOT NULL")
    op.create_index("ix_instance_compress_to", "instance", ["compress_to"], sqlite_where=waiting)


def downgrade() -> None:
    """Take all of it away."""
    op.drop_index("ix_instance_compress_to", "instance")
    for name in reversed(_COLUMNS):
        op.drop_column("instance", name)
