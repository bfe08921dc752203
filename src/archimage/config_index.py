"""The settings of the index: `index` of `config`."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr

from archimage.config_kinds import Section

_IN_QUERY: Final = re.compile(r"[?&](ssl)?password=")


def _check_url(text: str) -> str:
    """Let through what names a PostgreSQL database, without its password."""
    if not text:
        return text
    scheme, found, rest = text.partition("://")
    if not found or scheme not in {"postgresql", "postgres"}:
        raise ValueError("it is empty, for SQLite in `storage.directory`, or postgresql://USER@HOST:PORT/DATABASE")
    who, at, _ = rest.partition("@")
    if (at and ":" in who) or _IN_QUERY.search(rest):
        raise ValueError(
            "a password stands in `index.password`, or in the file that ARCHIMAGE__INDEX__PASSWORD_FILE names"
        )
    return text


class IndexConfig(Section):
    """Where the index is kept (docs/postgresql.md)."""

    url: Annotated[str, AfterValidator(_check_url)] = Field(
        default="",
        description="Database on PostgreSQL, `postgresql://USER@HOST:PORT/DATABASE`; empty: SQLite, in the archive.",
    )
    password: SecretStr = Field(default=SecretStr(""), description="Password of that user.")
    flush_commits: bool = Field(
        default=True,
        description="Have PostgreSQL flush the rows of objects before they are answered; else at the next checkpoint.",
    )
    connections: Annotated[int, Field(ge=2, le=1_000)] = Field(
        default=16, description="Connections to PostgreSQL at most, for each process."
    )
