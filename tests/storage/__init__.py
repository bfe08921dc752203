"""Tests of archimage.storage."""
