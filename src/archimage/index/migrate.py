"""Bringing an index up to the newest schema."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from archimage.index.schema import REVISION


def upgrade(connection: Connection, revision: str = REVISION) -> None:
    """Run the migrations up to revision in the connection's transaction."""
    config = Config()
    config.set_main_option("script_location", "archimage.index:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
