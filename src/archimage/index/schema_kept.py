"""The table of short texts that all processes of an archive share, by their names; none of it is derived from files."""

from typing import Final

from sqlalchemy import Column, Float, Table, Text

from archimage.index.schema import metadata

kept_text: Final = Table(
    "kept_text",
    metadata,
    Column("name", Text, primary_key=True, nullable=False),
    Column("text", Text, nullable=False),
    Column("changed_at", Float, nullable=False),
)
