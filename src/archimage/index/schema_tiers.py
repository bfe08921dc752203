"""The tables of tiers, beside those of `schema`: what lies where, as last counted, and copies that are being made."""

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
