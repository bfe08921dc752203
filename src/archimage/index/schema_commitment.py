"""The tables of storage commitment."""

from typing import Final

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, Table, Text

from archimage.index.schema import metadata

commitment: Final = Table(
    "commitment",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("direction", Text, nullable=False),
    Column("transaction_uid", Text, nullable=False),
    Column("ae_title", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("verified_at", Float),
    Column("ended_at", Float),
    Column("retrieve_ae_title", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("referenced", LargeBinary, nullable=False),
    Column("failures", LargeBinary),
    Index(None, "direction", "transaction_uid", unique=True),
    Index(None, "direction", "ae_title", "state"),
    Index(None, "state", "ended_at"),
    sqlite_autoincrement=True,
)
"""Transactions of storage commitment; referenced and failures are compressed JSON: UIDs are much alike."""
