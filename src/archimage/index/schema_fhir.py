"""The tables of FHIR."""

from typing import Final

from sqlalchemy import Column, Float, Index, Integer, Table, Text, UniqueConstraint

from archimage.index.schema import metadata

fhir_resource: Final = Table(
    "fhir_resource",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    UniqueConstraint("kind", "id"),
    Index(None, "kind", "status"),
)
