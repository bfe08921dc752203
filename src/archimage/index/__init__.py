"""Index adapters on SQLAlchemy Core: schema, migrations, statements, and one module per database."""
