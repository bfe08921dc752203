"""The table of deliveries: what others are to be told, until they have heard it."""

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
    Column("rank", Integer, nullable=False, server_default="-5"),  # the lowest first: less the priority
    Index(None, "state", "lane", "pk"),
    Index(None, "kind", "state"),
    sqlite_autoincrement=True,
)
