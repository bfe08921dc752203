"""Plugins: what they are told and asked, what their answers do, and what becomes of those that fail."""
