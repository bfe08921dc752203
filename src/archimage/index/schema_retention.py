"""The tables of retention, beside those of `schema`: when studies were looked at last, and runs of the rules."""

from typing import Final

from sqlalchemy import BigInteger, Column, Float, Index, Integer, Table, Text

from archimage.index.schema import metadata

study_access: Final = Table(
    "study_access",
    metadata,
    Column("study_instance_uid", Text, primary_key=True, nullable=False),
    Column("accessed_at", Float, nullable=False),
    sqlite_with_rowid=False,
)
retention_run: Final = Table(
    "retention_run",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("position", Integer, nullable=False),
    Column("looked", Integer, nullable=False),
    Column("deleted", Integer, nullable=False),
    Column("deleted_bytes", BigInteger, nullable=False),
    Column("held", Integer, nullable=False),
    Column("spared", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("moved", Integer, nullable=False, server_default="0"),
    Column("moved_bytes", BigInteger, nullable=False, server_default="0"),
    Index(None, "state"),
)
