"""Users, their sessions, tokens and shares, and logins that failed.

Revision ID: 0010
"""

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: None = None
depends_on: None = None


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _times(*names: str) -> list[sa.Column[float]]:
    return [sa.Column(name, sa.Float, nullable=False) for name in names]


def _numbers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer, nullable=False) for name in names]


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "user_account",
        *_text("name", "roles", "description"),
        *_numbers("disabled", "by_name"),
        *_text("password_hash"),
        *_times("created_at", "changed_at"),
        sa.PrimaryKeyConstraint("name", name="pk_user_account"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "session",
        *_text("digest", "owner", "address"),
        *_times("created_at", "used_at", "expires_at"),
        *_numbers("from_provider"),
        *_text("roles"),
        sa.PrimaryKeyConstraint("digest", name="pk_session"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_session_owner_created_at", "session", ["owner", "created_at"])
    op.create_table(
        "api_token",
        *_text("digest", "name", "owner", "restriction"),
        *_times("created_at"),
        sa.Column("expires_at", sa.Float),
        sa.PrimaryKeyConstraint("digest", name="pk_api_token"),
        sa.UniqueConstraint("owner", "name", name="uq_api_token_owner_name"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "share",
        *_text("digest", "study_instance_uid", "owner"),
        *_times("created_at", "expires_at"),
        *_numbers("from_provider"),
        *_text("roles"),
        sa.PrimaryKeyConstraint("digest", name="pk_share"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_share_owner", "share", ["owner"])
    op.create_table(
        "failed_login",
        *_text("key"),
        *_numbers("failures"),
        *_times("failed_at", "locked_until"),
        sa.PrimaryKeyConstraint("key", name="pk_failed_login"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_failed_login_failed_at", "failed_login", ["failed_at"])


def downgrade() -> None:
    """Drop them."""
    for table in ("failed_login", "share", "api_token", "session", "user_account"):
        op.drop_table(table)
