"""The tables of HL7 messages: as they came, the reports that they brought, and which patients are one person."""

from typing import Final

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, Table, Text

from archimage.index.schema import metadata

hl7_message: Final = Table(
    "hl7_message",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("raw", LargeBinary, nullable=False),
    Column("sender", Text, nullable=False),
    Column("control_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("state", Text, nullable=False),
    Column("ack", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("fault", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("taken_until", Float, nullable=False),
    Column("ended_at", Float),
    Index(None, "control_id", "sender"),
    Index(None, "state", "pk"),
    sqlite_autoincrement=True,
)

report: Final = Table(
    "report",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("message_id", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("report_id", Text, nullable=False),
    Column("study_instance_uid", Text, nullable=False, index=True),
    Column("accession_number", Text, nullable=False, index=True),
    Column("patient_id", Text, nullable=False, index=True),
    Column("issuer_of_patient_id", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("observed_at", Text, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("text", Text, nullable=False),
    Index(None, "message_id", "position", unique=True),
    sqlite_autoincrement=True,
)

patient_link: Final = Table(
    "patient_link",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("one_id", Text, nullable=False),
    Column("one_issuer", Text, nullable=False),
    Column("other_id", Text, nullable=False, index=True),
    Column("other_issuer", Text, nullable=False),
    Column("linked_at", Float, nullable=False),
    Index(None, "one_id", "one_issuer", "other_id", "other_issuer", unique=True),
)
