"""Tests of what the archive does by itself and over time."""
