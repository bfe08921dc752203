"""The tables of unified procedure steps."""

from typing import Final

from sqlalchemy import Column, Float, Index, Integer, Table, Text

from archimage.index.schema import metadata

workitem: Final = Table(
    "workitem",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("uid", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("transaction_uid", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("patient_id", Text, nullable=False),
    Column("worklist_label", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("ended_at", Float),
    Index(None, "state", "pk"),
    Index(None, "patient_id"),
    Index(None, "ended_at"),
    sqlite_autoincrement=True,
)
workitem_subscription: Final = Table(
    "workitem_subscription",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("ae_title", Text, nullable=False),
    Column("reach", Text, nullable=False),
    Column("uid", Text, nullable=False),
    Column("door", Text, nullable=False),
    Column("lock", Integer, nullable=False),
    Column("wanted", Integer, nullable=False),
    Column("until", Integer),
    Column("filter", Text, nullable=False),
    Index(None, "ae_title", "reach", "uid", unique=True),
    Index(None, "uid"),
)
workitem_event: Final = Table(
    "workitem_event",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("ae_title", Text, nullable=False),
    Column("uid", Text, nullable=False),
    Column("type", Integer, nullable=False),
    Column("payload", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Index(None, "ae_title", "pk"),
    Index(None, "created_at"),
    sqlite_autoincrement=True,
)
