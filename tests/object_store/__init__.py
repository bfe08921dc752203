"""Whole servers over real object stores."""
