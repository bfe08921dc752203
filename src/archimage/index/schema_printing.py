"""The tables of printing."""

from typing import Final

from sqlalchemy import Column, Float, Index, Integer, Table, Text

from archimage.index.schema import metadata

print_job: Final = Table(
    "print_job",
    metadata,
    Column("uid", Text, primary_key=True),
    Column("printer", Text, nullable=False),
    Column("originator", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("copies", Integer, nullable=False),
    Column("films", Integer, nullable=False),
    Column("dpi", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("state", Text, nullable=False),
    Column("ended_at", Float),
    Column("error", Text, nullable=False),
    Index(None, "created_at"),
    Index(None, "state"),
    Index(None, "ended_at"),
)
