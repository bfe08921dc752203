"""The management API: what the pages can do, and programs; see docs/api.md."""
