"""The command line: one small module per command; what is slow to import is imported where it is used."""
