"""DICOM data sets and files: scanning, text, Part 10, encoding, paths (PS3.3, PS3.5, PS3.6, PS3.10).

The only package that imports pydicom. Nothing here knows of sockets, clocks or threads.
"""
