"""Crashes: of the process at random instants, and of the machine as far as copies of the archive can stand for it."""
