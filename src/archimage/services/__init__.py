"""The use cases, shared by every door: DIMSE, HTTP and the command line."""
