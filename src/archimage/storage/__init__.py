"""Adapters that keep bytes: the file system and the ingest journal."""
