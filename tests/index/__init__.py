"""Tests of the index adapters."""
