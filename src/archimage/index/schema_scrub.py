"""The tables of scrubbing: how far the round is, in one row, and which objects are known to be damaged."""

from typing import Final

from sqlalchemy import BigInteger, Column, Float, Index, Integer, Table, Text

from archimage.index.schema import metadata

scrub_round: Final = Table(
    "scrub_round",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("due_at", Float, nullable=False),
    Column("began_at", Float, nullable=False),
    Column("after", BigInteger, nullable=False),
    Column("objects", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("ended_at", Float, nullable=False),
)
damage: Final = Table(
    "damage",
    metadata,
    Column("sop_instance_uid", Text, primary_key=True),
    Column("path", Text, nullable=False),
    Column("fault", Text, nullable=False),
    Column("found_at", Float, nullable=False),
    Index(None, "found_at"),
)
