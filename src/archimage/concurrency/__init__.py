"""Every pool, queue, limit and cache, in tables: `/api/v1/concurrency`, its page and docs/concurrency.md show them.

Sizes are taken from the settings and from the constants that the server runs on, and are written nowhere again.
"""
