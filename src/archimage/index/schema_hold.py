"""The table of legal holds, beside those of `schema`; none of it is derived from stored files."""

from typing import Final

from sqlalchemy import Column, Float, Table, Text

from archimage.index.schema import metadata

hold: Final = Table(
    "hold",
    metadata,
    Column("study_instance_uid", Text, primary_key=True, nullable=False),
    Column("placed_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", Float, nullable=False),
    sqlite_with_rowid=False,
)
"""While a study has a row here, nothing of it is removed, replaced or corrected (`index.holding`)."""
