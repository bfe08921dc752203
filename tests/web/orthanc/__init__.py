"""Orthanc's paths over HTTP."""
