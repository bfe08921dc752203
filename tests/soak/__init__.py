"""The soak: a server under the work of a hospital for minutes or hours, at 80 % of what it can do."""
