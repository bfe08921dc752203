"""DICOMweb: the resources of PS3.18, on the same services as DIMSE.

`resources` says what a resource is; the table of all of them is in `table`.
"""
