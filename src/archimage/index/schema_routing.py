"""The table of routing: where each rule stands with each study; a row without a study has up to when was looked.

Fetching earlier studies keeps its own there, under a name that no rule has.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Float, Index, Integer, Table, Text

from archimage.index.schema import metadata

routed: Final = Table(
    "routed",
    metadata,
    Column("rule", Text, primary_key=True, nullable=False),
    Column("study_instance_uid", Text, primary_key=True, nullable=False),
    Column("mark_number", BigInteger, nullable=False),
    Column("mark_at", Float, nullable=False),
    Column("state", Text, nullable=False),
    Column("instances", Integer, nullable=False),
    Column("job", BigInteger, nullable=False),
    Column("error", Text, nullable=False),
    Column("changed_at", Float, nullable=False),
    Index(None, "changed_at"),
    Index(None, "study_instance_uid"),
    sqlite_with_rowid=False,
)
