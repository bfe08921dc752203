"""The first tables.

Revision ID: 0001
"""

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: None = None
depends_on: None = None

_PATIENT: Final = """
    !patient_id !issuer_of_patient_id patient_name patient_birth_date patient_birth_time patient_sex
    other_patient_ids ethnic_group patient_comments
"""
_STUDY: Final = """
    !study_instance_uid study_date study_time accession_number study_id study_description
    referring_physician_name name_of_physicians_reading_study admitting_diagnoses_description
    timezone_offset_from_utc patient_age patient_size patient_weight occupation
"""
_SERIES: Final = """
    !series_instance_uid modality series_number series_description series_date series_time body_part_examined
    laterality protocol_name patient_position frame_of_reference_uid performing_physician_name operators_name
    institution_name institutional_department_name station_name manufacturer manufacturer_model_name
    performed_procedure_step_start_date performed_procedure_step_start_time performed_procedure_step_id
    performed_procedure_step_description request_scheduled_procedure_step_id request_requested_procedure_id
    request_accession_number
"""
_IMAGE: Final = """
    !sop_instance_uid !sop_class_uid instance_number image_type content_date content_time acquisition_date
    acquisition_time acquisition_date_time acquisition_number number_of_frames rows columns bits_allocated
    photometric_interpretation lossy_image_compression content_label content_description
    presentation_creation_date presentation_creation_time completion_flag verification_flag document_title
    concept_name_code_value concept_name_coding_scheme_designator concept_name_code_meaning
"""


def upgrade() -> None:
    """Create everything."""
    _create_levels()
    op.create_table(
        "series_content",
        sa.Column("series_pk", sa.Integer, nullable=False),
        sa.Column("sop_class_uid", sa.Text, nullable=False),
        sa.Column("instances", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("series_pk", "sop_class_uid", name="pk_series_content"),
        sa.ForeignKeyConstraint(["series_pk"], ["series.pk"], name="fk_series_content_series_pk"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "name_key",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", "name", name="pk_name_key"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Drop everything."""
    for table in ("name_key", "series_content", "instance", "series", "study", "patient"):
        op.drop_table(table)


def _create_levels() -> None:
    """Create the tables of the four levels."""
    lone_study = sa.Column("lone_study", sa.Text, nullable=False)
    _create("patient", None, _PATIENT, [lone_study], ("patient_id", "issuer_of_patient_id", "lone_study"))
    _index("patient", "patient_name", "patient_birth_date")
    _create("study", "patient", _STUDY, [], ("study_instance_uid",))
    _index("study", "patient_pk", "accession_number", "study_id")
    _index("study", "referring_physician_name", "name_of_physicians_reading_study")
    op.create_index("ix_study_study_date_study_time", "study", ["study_date", "study_time"])
    _create("series", "study", _SERIES, [], ("series_instance_uid", "study_pk"))
    _index("series", "frame_of_reference_uid", "performing_physician_name", "operators_name")
    op.create_index("ix_series_study_pk_modality", "series", ["study_pk", "modality"])
    _create("instance", "series", _IMAGE, _file_columns(), ("sop_instance_uid",))
    _index("instance", "series_pk")


def _create(
    table: str, parent: str | None, attributes: str, more: list[sa.Column[Any]], unique: tuple[str, ...]
) -> None:
    """Create the table of a level; attributes that are required are marked with `!`."""
    columns = [sa.Column(name.lstrip("!"), sa.Text, nullable=not name.startswith("!")) for name in attributes.split()]
    links: list[sa.Column[Any] | sa.Constraint] = []
    if parent:
        key = f"{parent}_pk"
        links = [
            sa.Column(key, sa.Integer, nullable=False),
            sa.ForeignKeyConstraint([key], [f"{parent}.pk"], name=f"fk_{table}_{key}"),
        ]
    op.create_table(
        table,
        sa.Column("pk", sa.Integer, nullable=False),
        *links,
        *columns,
        *more,
        sa.PrimaryKeyConstraint("pk", name=f"pk_{table}"),
        sa.UniqueConstraint(*unique, name=f"uq_{table}_{'_'.join(unique)}"),
    )


def _file_columns() -> list[sa.Column[Any]]:
    """Make the columns that say where and what the file of an instance is."""
    return [
        sa.Column("transfer_syntax_uid", sa.Text, nullable=False),
        sa.Column("file_path", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("data_set_offset", sa.Integer, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("received_at", sa.Float, nullable=False),
        sa.Column("source_ae_title", sa.Text, nullable=False),
        sa.Column("acquisition_utc", sa.Text),
        sa.Column("frames", sa.LargeBinary),
    ]


def _index(table: str, *columns: str) -> None:
    """Index columns one by one."""
    for column in columns:
        op.create_index(f"ix_{table}_{column}", table, [column])
