"""Work items, who subscribes to them, and what these are to hear.

Revision ID: 0018
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "workitem",
        sa.Column("pk", sa.Integer, primary_key=True),
        sa.Column("uid", sa.Text, nullable=False, unique=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("state", "transaction_uid")),
        sa.Column("version", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("patient_id", "worklist_label", "model")),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_workitem_state_pk", "workitem", ["state", "pk"])
    op.create_index("ix_workitem_patient_id", "workitem", ["patient_id"])
    op.create_index("ix_workitem_ended_at", "workitem", ["ended_at"])
    op.create_table(
        "workitem_subscription",
        sa.Column("pk", sa.Integer, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("ae_title", "reach", "uid", "door")),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("lock", "wanted")),
        sa.Column("until", sa.Integer),
        sa.Column("filter", sa.Text, nullable=False),
    )
    columns = ["ae_title", "reach", "uid"]
    op.create_index("ix_workitem_subscription_ae_title_reach_uid", "workitem_subscription", columns, unique=True)
    op.create_index("ix_workitem_subscription_uid", "workitem_subscription", ["uid"])
    op.create_table(
        "workitem_event",
        sa.Column("pk", sa.Integer, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("ae_title", "uid")),
        sa.Column("type", sa.Integer, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_workitem_event_ae_title_pk", "workitem_event", ["ae_title", "pk"])
    op.create_index("ix_workitem_event_created_at", "workitem_event", ["created_at"])


def downgrade() -> None:
    """Drop them."""
    for table in ("workitem_event", "workitem_subscription", "workitem"):
        op.drop_table(table)
