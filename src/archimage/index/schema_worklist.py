"""The tables of the worklist:  has the scheduled procedure steps, with the values that are searched.

Values are empty where they are absent; each station and each search key of a name (`model.names`) has a row of
`worklist_key`. The data set stands as DICOM JSON Model.
"""

from typing import Final

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, Table, Text

from archimage.index.schema import metadata
from archimage.model.worklist import SEARCHED

worklist: Final = Table(
    "worklist",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("key", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    *(Column(searched.column, Text, nullable=False) for searched in SEARCHED),
    Column("description", Text, nullable=False),
    Column("model", Text, nullable=False),
    Index(None, "key", unique=True),
    Index(None, "start_date", "start_time"),
    Index(None, "patient_id"),
    Index(None, "accession_number"),
    Index(None, "study_uid"),
    Index(None, "requested_procedure_id"),
    Index(None, "step_id"),
    Index(None, "expires_at"),
    sqlite_autoincrement=True,
)
worklist_key: Final = Table(
    "worklist_key",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("item", Integer, ForeignKey(worklist.c.pk, ondelete="CASCADE"), primary_key=True),
    Index(None, "item"),
    sqlite_with_rowid=False,
)
