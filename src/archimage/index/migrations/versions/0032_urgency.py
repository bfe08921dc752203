"""Which delivery is more urgent than others, and who asked for a job.

Revision ID: 0032
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0032"
down_revision: str | None = "0031"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Add the columns; who asked for the jobs of before is read from them by the first node that works."""
    op.add_column("delivery", sa.Column("rank", sa.Integer, nullable=False, server_default="-5"))
    op.add_column("job", sa.Column("owner", sa.Text))
    op.create_index("ix_job_owner_pk", "job", ["owner", "pk"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_job_owner_pk", "job")
    op.drop_column("job", "owner")
    op.drop_column("delivery", "rank")
