"""Opens the index that the settings name."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archimage.config import Config
from archimage.index.relational import RelationalIndex
from archimage.index.sqlite import SqliteIndex
from archimage.index.sqlite_file import make_of

if TYPE_CHECKING:
    from archimage.index.postgresql import PostgresqlIndex

TIMEOUT_S: Final = 4.0  # a modality is to have its refusal within five
FILE: Final = "index.db"


def open_index(config: Config) -> RelationalIndex:
    """Open it, made or brought up to date; IndexUnavailableError where that cannot be."""
    if not config.index.url:
        return open_file(config.storage.directory, durable=config.storage.durability == "full")
    return _open_database(config)


def open_index_of(lines: Iterator[bytes], config: Config) -> RelationalIndex:
    """Make of the lines of a dump the index that the settings name, which must be empty, and open it.

    Raises:
        ConfigError: it is not, or the dump cannot be put into it.
        IntegrityError: the dump is damaged or not whole.
    """
    if not config.index.url:
        make_of(lines, config.storage.directory / FILE)
        return open_index(config)
    index = _open_database(config)
    try:
        index.fill(lines)
    except BaseException:
        index.close()
        raise
    return index


def _open_database(config: Config) -> "PostgresqlIndex":
    from archimage.index.postgresql import PostgresqlIndex  # with its driver, which SQLite does without

    return PostgresqlIndex(
        config.index.url,
        config.index.password.get_secret_value(),
        durable=config.storage.durability == "full",
        busy_timeout_s=TIMEOUT_S,
        connections=config.index.connections,
    )


def open_file(directory: Path, *, durable: bool = True) -> SqliteIndex:
    """Open the SQLite index of an archive's directory."""
    return SqliteIndex(directory / FILE, durable=durable, busy_timeout_s=TIMEOUT_S)
