"""The tables of plugins, and of studies of which somebody is to hear once they are complete.

`completing_study` has for each audience when studies grew, and when it heard of that; its row without a UID has up to
when they were noted.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Float, Index, Integer, Table, Text

from archimage.index.schema import metadata

_COUNT: Final = BigInteger().with_variant(Integer, "sqlite")

plugin: Final = Table(
    "plugin",
    metadata,
    Column("name", Text, primary_key=True, nullable=False),
    Column("source", Text, nullable=False),
    Column("hooks", Text),
    Column("disabled_at", Float),
    Column("reason", Text, nullable=False),
    Column("generation", _COUNT, nullable=False),
    Column("calls", _COUNT, nullable=False),
    Column("failures", _COUNT, nullable=False),
    Column("dropped", _COUNT, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("last_error_at", Float),
    sqlite_with_rowid=False,
)
completing_study: Final = Table(
    "completing_study",
    metadata,
    Column("audience", Text, primary_key=True, nullable=False),
    Column("study_instance_uid", Text, primary_key=True, nullable=False),
    Column("grown_at", Float, nullable=False),
    Column("told_at", Float, nullable=False),
    Index(None, "audience", "grown_at"),
    sqlite_with_rowid=False,
)
