"""A part of Orthanc's REST interface, for the scripts and libraries that are written for it (docs/orthanc.md)."""
