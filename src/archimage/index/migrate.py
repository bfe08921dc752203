"""Bringing an index up to the newest schema, and back."""

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from archimage.index.schema import REVISION


def upgrade(connection: Connection, revision: str = REVISION) -> None:
    """Run the migrations up to revision in the connection's transaction."""
    command.upgrade(_on(connection), revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Undo the migrations down to revision in the connection's transaction."""
    command.downgrade(_on(connection), revision)


def revisions() -> frozenset[str]:
    """Return the revisions of the schema that are known."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def _on(connection: Connection) -> Config:
    config = _config()
    config.attributes["connection"] = connection
    return config


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "archimage.index:migrations")
    return config
