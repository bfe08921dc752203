"""Alembic environment and revisions of the index schema."""
