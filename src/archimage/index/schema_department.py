"""The tables of the department's services, beside those of `schema`; none is derived from stored objects.

`delivery` has what others are to be told, until they have heard it. `worklist` has the scheduled procedure steps, with
the values that are searched, empty where they are absent; each station and each search key of a name (`model.names`)
has a row of `worklist_key`. `performed_step` has performed procedure steps, and `performed_instance` what they say they
have made. `grown_study` has when studies grew, and others heard of that, where they are to be told. Data sets stand as
DICOM JSON Model, beside the columns that are searched.
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
performed_step: Final = Table(
    "performed_step",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("sop_instance_uid", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("patient_id", Text, nullable=False),
    Column("accession_number", Text, nullable=False),
    Column("study_instance_uid", Text, nullable=False),
    Column("modality", Text, nullable=False),
    Column("station_ae_title", Text, nullable=False),
    Column("start_date", Text, nullable=False),
    Column("source_ae_title", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("awaited", Text, nullable=False),
    Column("dataset", Text, nullable=False),  # JSON
    UniqueConstraint("sop_instance_uid"),
    Index(None, "state"),
    Index(None, "awaited"),
    Index(None, "study_instance_uid"),
    Index(None, "patient_id"),
    Index(None, "accession_number"),
    sqlite_autoincrement=True,
)
performed_instance: Final = Table(
    "performed_instance",
    metadata,
    Column("performed_step_pk", Integer, ForeignKey("performed_step.pk"), primary_key=True, nullable=False),
    Column("position", Integer, primary_key=True, nullable=False),
    Column("series_instance_uid", Text, nullable=False),
    Column("sop_class_uid", Text, nullable=False),
    Column("sop_instance_uid", Text, nullable=False),
    sqlite_with_rowid=False,
)
grown_study: Final = Table(
    "grown_study",
    metadata,
    Column("study_instance_uid", Text, primary_key=True, nullable=False),
    Column("grown_at", Float, nullable=False),
    Column("told_at", Float, nullable=False),
    Index(None, "grown_at"),
    sqlite_with_rowid=False,
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
