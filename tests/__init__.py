"""Tests of archimage, laid out as its source."""
