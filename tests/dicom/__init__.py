"""Tests of archimage.dicom."""
