"""Parts of texts of patients and studies are found by an index of trigrams, and studies are sorted by description.

Revision ID: 0007
"""

from typing import Final

from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: None = None
depends_on: None = None

COLUMNS: Final = {"patient": ("patient_id",), "study": ("accession_number", "study_description")}


def upgrade() -> None:
    """Create the tables, what keeps them up to date, and the rows of what is there."""
    for table, columns in COLUMNS.items():
        index, new, old = f"{table}_text", _text(columns, "new."), _text(columns, "old.")
        added = f"INSERT INTO {index} (rowid, text) VALUES (new.pk, {new})"  # noqa: S608 - names of ours
        removed = f"INSERT INTO {index} ({index}, rowid, text) VALUES ('delete', old.pk, {old})"  # noqa: S608
        op.execute(f"CREATE VIRTUAL TABLE {index} USING fts5(text, content='', tokenize='trigram', columnsize=0)")
        op.execute(f"CREATE TRIGGER {index}_added AFTER INSERT ON {table} BEGIN {added}; END")
        op.execute(f"CREATE TRIGGER {index}_removed AFTER DELETE ON {table} BEGIN {removed}; END")
        op.execute(
            f"CREATE TRIGGER {index}_changed AFTER UPDATE OF {', '.join(columns)} ON {table}"
            f" BEGIN {removed}; {added}; END"
        )
        op.execute(f"INSERT INTO {index} (rowid, text) SELECT pk, {_text(columns)} FROM {table}")  # noqa: S608
    op.create_index("ix_study_study_description", "study", ["study_description"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_study_study_description", "study")
    for table in COLUMNS:
        for event in ("added", "removed", "changed"):
            op.execute(f"DROP TRIGGER {table}_text_{event}")
        op.execute(f"DROP TABLE {table}_text")


def _text(columns: tuple[str, ...], row: str = "") -> str:
    """Join the beginnings of columns, with a break of two blanks before every word."""
    return " || ".join(f"replace(' ' || coalesce(substr({row}{column}, 1, 256), ''), ' ', '  ')" for column in columns)
