"""The tables of the index; the attribute columns come from `model.attributes`.

Every attribute is text as it came, NULL when absent, several values joined with a backslash. Four tables follow the
levels of the Query/Retrieve information model. Two more are derived:

- `series_content` counts the instances of each SOP class in each series, so that counts, SOP Classes in Study and
  emptied parents cost nothing per instance; `change` is a number drawn anew whenever one of them comes or goes;
- `name_key` gives the search keys of every distinct person name (see `model.names`).

`removal` has a row for each instance that was removed on request, in their order: what the ingest journals still hold
of it from before is void, and its file is to be deleted. It is kept until neither is true any more.

Parts of texts are found by `patient_text` and `study_text`, indexes of trigrams (FTS5) that triggers keep up to date; a
migration alone makes them, as each database has its own kind.

`hashed` has the Orthanc identifiers of rows, and is empty until somebody uses one (see `index.hashed`).

`node` has the remote nodes that were entered at run time, `label` the labels that people gave studies, `change` and
`change_study` who had which patients and studies corrected, merged and moved; of these nothing is ever deleted.
`user_account`, `session`, `api_token` and `share` have who may prove who he is, with hashes of all secrets,
`failed_login` who has failed to. They are not derived: no file tells what stands in them.

Tables of the department, none of them derived, stand in modules of their own: `schema_worklist`, `schema_performed`
and so on. Data sets stand in them as DICOM JSON Model, beside the columns that are searched.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from archimage.model.attributes import ATTRIBUTES, Level

REVISION: Final = "0033"
"""The newest revision in `migrations`."""

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

COLUMNS: Final = {level: tuple(a.column for a in ATTRIBUTES if a.level is level and not a.computed) for level in Level}
NAMES: Final = {
    level: tuple(a.column for a in ATTRIBUTES if a.level is level and a.vr == "PN" and not a.computed)
    for level in Level
}
IDENTITY: Final = ("patient_id", "issuer_of_patient_id")
_REQUIRED: Final = {*IDENTITY, "study_instance_uid", "series_instance_uid", "sop_instance_uid", "sop_class_uid"}


def _attributes(level: Level) -> list[Column[str]]:
    """Make the attribute columns of a level."""
    return [Column(name, Text, nullable=name not in _REQUIRED) for name in COLUMNS[level]]


def _parent(table: str) -> Column[int]:
    """Make the reference to the row above."""
    return Column(f"{table}_pk", Integer, ForeignKey(f"{table}.pk"), nullable=False)


patient: Final = Table(
    "patient",
    metadata,
    Column("pk", Integer, primary_key=True),
    # Study Instance UID where the patient has no ID: strangers without an ID are not one person.
    Column("lone_study", Text, nullable=False),
    *_attributes(Level.PATIENT),
    UniqueConstraint("patient_id", "issuer_of_patient_id", "lone_study"),
    Index(None, "patient_name"),
    Index(None, "patient_birth_date"),
)
study: Final = Table(
    "study",
    metadata,
    Column("pk", Integer, primary_key=True),
    _parent("patient"),
    *_attributes(Level.STUDY),
    UniqueConstraint("study_instance_uid"),
    Index(None, "patient_pk"),
    Index(None, "study_date", "study_time"),
    Index(None, "accession_number"),
    Index(None, "study_id"),
    Index(None, "study_description"),
    Index(None, "referring_physician_name"),
    Index(None, "name_of_physicians_reading_study"),
)
series: Final = Table(
    "series",
    metadata,
    Column("pk", Integer, primary_key=True),
    _parent("study"),
    *_attributes(Level.SERIES),
    UniqueConstraint("series_instance_uid", "study_pk"),
    Index(None, "study_pk", "modality"),
    Index(None, "frame_of_reference_uid"),
    Index(None, "performing_physician_name"),
    Index(None, "operators_name"),
)
instance: Final = Table(
    "instance",
    metadata,
    Column("pk", Integer, primary_key=True),
    _parent("series"),
    *_attributes(Level.IMAGE),
    Column("transfer_syntax_uid", Text, nullable=False),
    Column("file_path", Text, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("data_set_offset", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("source_ae_title", Text, nullable=False),
    Column("acquisition_utc", Text),  # Acquisition DateTime in UTC, only where it carries an offset
    Column("frames", LargeBinary),
    Column("original_transfer_syntax_uid", Text),  # these three only where the archive has compressed it
    Column("original_size_bytes", Integer),
    Column("original_sha256", LargeBinary),
    Column("compress_to", Text),  # transfer syntax that it waits to be compressed to
    Column("called_ae_title", Text, nullable=False, server_default=""),  # what the sender called this archive by
    UniqueConstraint("sop_instance_uid"),
    Index(None, "series_pk"),
    Index(None, "compress_to", sqlite_where=text("compress_to IS NOT NULL")),
)
series_content: Final = Table(
    "series_content",
    metadata,
    Column("series_pk", Integer, ForeignKey("series.pk"), primary_key=True, nullable=False),
    Column("sop_class_uid", Text, primary_key=True, nullable=False),
    Column("instances", Integer, nullable=False),
    Column("change", Integer, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)
removal: Final = Table(
    "removal",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("sop_instance_uid", Text, nullable=False),
    Column("file_path", Text),  # NULL once the file is deleted
    Index(None, "sop_instance_uid"),
)
node: Final = Table(
    "node",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("ae_title", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("description", Text, nullable=False),
    Column("tls", Integer, nullable=False, server_default="0"),
    Column("created_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    Column("deidentify", Text, nullable=False, server_default=""),
    Column("deidentify_options", Text, nullable=False, server_default=""),
    UniqueConstraint("ae_title"),
)
label: Final = Table(
    "label",
    metadata,
    Column("study_instance_uid", Text, primary_key=True, nullable=False),
    Column("name", Text, primary_key=True, nullable=False),
    Index(None, "name"),
    sqlite_with_rowid=False,
)
hashed: Final = Table(
    "hashed",
    metadata,
    Column("depth", Integer, primary_key=True, nullable=False),
    Column("row_pk", Integer, primary_key=True, nullable=False),
    Column("key", BigInteger, nullable=False),
    Index(None, "key", "depth"),
    sqlite_with_rowid=False,
)
change: Final = Table(
    "change",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("asked_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("address", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("patient", Text, nullable=False),  # JSON of these three
    Column("person", Text, nullable=False),
    Column("new_values", Text, nullable=False),
    Column("series_instance_uid", Text, nullable=False),
    Index(None, "state"),
)
change_study: Final = Table(
    "change_study",
    metadata,
    Column("change_pk", Integer, ForeignKey("change.pk"), primary_key=True, nullable=False),
    Column("position", Integer, primary_key=True, nullable=False),
    Column("study_instance_uid", Text, nullable=False),
    Column("old_values", Text, nullable=False),  # JSON
    Column("objects", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("problems", Text, nullable=False),  # JSON
    Column("is_done", Integer, nullable=False),
    Index(None, "study_instance_uid"),
    sqlite_with_rowid=False,
)
user_account: Final = Table(
    "user_account",
    metadata,
    Column("name", Text, primary_key=True, nullable=False),
    Column("roles", Text, nullable=False),  # JSON
    Column("description", Text, nullable=False),
    Column("disabled", Integer, nullable=False),
    Column("by_name", Integer, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
    sqlite_with_rowid=False,
)
session: Final = Table(
    "session",
    metadata,
    Column("digest", Text, primary_key=True, nullable=False),
    Column("owner", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("used_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("from_provider", Integer, nullable=False),
    Column("roles", Text, nullable=False),  # JSON
    Index(None, "owner", "created_at"),
    sqlite_with_rowid=False,
)
api_token: Final = Table(
    "api_token",
    metadata,
    Column("digest", Text, primary_key=True, nullable=False),
    Column("name", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("restriction", Text, nullable=False),  # JSON
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    UniqueConstraint("owner", "name"),
    sqlite_with_rowid=False,
)
share: Final = Table(
    "share",
    metadata,
    Column("digest", Text, primary_key=True, nullable=False),
    Column("study_instance_uid", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("from_provider", Integer, nullable=False),
    Column("roles", Text, nullable=False),  # JSON
    Index(None, "owner"),
    sqlite_with_rowid=False,
)
failed_login: Final = Table(
    "failed_login",
    metadata,
    Column("key", Text, primary_key=True, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("failed_at", Float, nullable=False),
    Column("locked_until", Float, nullable=False),
    Index(None, "failed_at"),
    sqlite_with_rowid=False,
)
name_key: Final = Table(
    "name_key",
    metadata,
    Column("kind", Text, primary_key=True, nullable=False),
    Column("key", Text, primary_key=True, nullable=False),
    Column("name", Text, primary_key=True, nullable=False),
    sqlite_with_rowid=False,
)

TABLES: Final = {Level.PATIENT: patient, Level.STUDY: study, Level.SERIES: series, Level.IMAGE: instance}
