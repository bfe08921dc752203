"""Opens the index that the settings name."""

from pathlib import Path
from typing import Final

from archimage.config import Config
from archimage.index.relational import RelationalIndex
from archimage.index.sqlite import SqliteIndex

TIMEOUT_S: Final = 4.0  # a modality is to have its refusal within five
FILE: Final = "index.db"


def open_index(config: Config) -> RelationalIndex:
    """Open it, made or brought up to date; IndexUnavailableError where that cannot be."""
    durable = config.storage.durability == "full"
    if not config.index.url:
        return open_file(config.storage.directory, durable=durable)
    from archimage.index.postgresql import PostgresqlIndex  # with its driver, which SQLite does without

    return PostgresqlIndex(
        config.index.url,
        config.index.password.get_secret_value(),
        durable=durable,
        busy_timeout_s=TIMEOUT_S,
        connections=config.index.connections,
    )


def open_file(directory: Path, *, durable: bool = True) -> SqliteIndex:
    """Open the SQLite index of an archive's directory."""
    return SqliteIndex(directory / FILE, durable=durable, busy_timeout_s=TIMEOUT_S)
