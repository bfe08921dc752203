"""The tables of performed procedure steps, of what they say they have made, and of studies that others are told of.

`grown_study` has when studies grew, and others heard of that, where they are to be told. Data sets stand as DICOM JSON
Model.
"""

from typing import Final

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from archimage.index.schema import metadata

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
