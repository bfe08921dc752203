"""The tables of where objects lie, beside those of `schema`: what is in which tier, and what comes and goes there."""

from typing import Final

from sqlalchemy import BigInteger, Column, Float, Integer, Table, Text

from archimage.index.schema import metadata

tier_use: Final = Table(
    "tier_use",
    metadata,
    Column("tier", Text, primary_key=True, nullable=False),
    Column("studies", Integer, nullable=False),
    Column("instances", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("counted_at", Float, nullable=False),
)
tier_copy: Final = Table(
    "tier_copy",
    metadata,
    Column("path", Text, primary_key=True, nullable=False),
)
remote_deletion: Final = Table(
    "remote_deletion",
    metadata,
    Column("path", Text, primary_key=True, nullable=False),
    Column("noted_at", Float, nullable=False),
)
