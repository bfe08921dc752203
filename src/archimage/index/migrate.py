"""Bringing an index up to the newest schema, and back."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from archimage.index.schema import REVISION


def upgrade(connection: Connection, revision: str = REVISION) -> None:
    """Run the migrations up to revision in the connection's transaction."""
    command.upgrade(_config(connection), revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Undo the migrations down to revision in the connection's transaction."""
    command.downgrade(_config(connection), revision)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", "archimage.index:migrations")
    config.attributes["connection"] = connection
    return config
