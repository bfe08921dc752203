"""The table of objects without a patient, beside those of `schema`; none of it is derived from stored files."""

from typing import Final

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, Table, Text

from archimage.index.schema import metadata

kept_object: Final = Table(
    "object",
    metadata,
    Column("pk", Integer, primary_key=True),
    Column("sop_instance_uid", Text, nullable=False),
    Column("sop_class_uid", Text, nullable=False),
    Column("transfer_syntax_uid", Text, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("received_at", Float, nullable=False),
    Column("source_ae_title", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Index(None, "sop_instance_uid", unique=True),
    Index(None, "sop_class_uid", "pk"),
    sqlite_autoincrement=True,
)
"""The data set as it came stands last: nobody reads it to look at the rest."""
