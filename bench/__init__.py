"""Measurements, started by `make bench`."""
