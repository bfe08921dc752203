"""The tables of the department's services, beside those of `schema`; none is derived from stored objects.

`delivery` has what others are to be told, until they have heard it. Data sets stand as DICOM JSON Model, beside the
columns that are searched.
"""

from typing import Final

from sqlalchemy import Column, Float, Index, Integer, Table, Text

from archimage.index.schema import metadata

delivery: Final = Table(
    "delivery",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("due_at", Float, nullable=False),
    Column("taken_until", Float, nullable=False),
    Column("ended_at", Float),
    Column("error", Text, nullable=False),
    Index(None, "state", "lane", "pk"),
    Index(None, "kind", "state"),
    sqlite_autoincrement=True,
)

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
