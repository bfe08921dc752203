"""Alembic environment: runs inside the transaction of the connection that `migrations.upgrade` hands over."""

from alembic import context

from archimage.index.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
