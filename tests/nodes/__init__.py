"""Several nodes: servers with directories of their own over one PostgreSQL and one object store, behind HAProxy."""
