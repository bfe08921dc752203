"""The tables of the department's services, beside those of `schema`; none is derived from stored objects.

`delivery` has what others are to be told, until they have heard it. `worklist` has the scheduled procedure steps, with
the values that are searched, empty where they are absent; each station and each search key of a name (`model.names`)
has a row of `worklist_key`. Data sets stand as DICOM JSON Model, beside the columns that are searched.
`fhir_resource` has subscriptions and reports as they were sent to FHIR, and up to when subscribers were told.
"""

from typing import Final

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from archimage.index.schema import metadata
from archimage.model.worklist import SEARCHED

delivery: Final = Table(
    "delivery",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("destination", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("due_at", Float, nullable=False),
    Column("taken_until", Float, nullable=False),
    Column("ended_at", Float),
    Column("error", Text, nullable=False),
    Index(None, "state", "lane", "pk"),
    Index(None, "kind", "state"),
    sqlite_autoincrement=True,
)

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
