"""Durable work.

Revision ID: 0022
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0022"
down_revision: str | None = "0021"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "job",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("live_key", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("due_at", sa.Float, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("reached", sa.Text, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("next", sa.Text, nullable=False),
        sa.Column("started_at", sa.Float),
        sa.Column("ended_at", sa.Float),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("traceparent", sa.Text, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("held_until", sa.Float, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_job_kind_destination_state_rank_pk", "job", ["kind", "destination", "state", "rank", "pk"])
    op.create_index("ix_job_live_key", "job", ["live_key"], unique=True)
    for column in ("due_at", "held_until", "ended_at"):
        op.create_index(f"ix_job_state_{column}", "job", ["state", column])
    op.create_table(
        "job_lane",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("destination", sa.Text, primary_key=True),
        sa.Column("paused", sa.Integer, nullable=False),
        sa.Column("taken_at", sa.Float, nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("job_lane")
    op.drop_table("job")
