"""Real servers that tests start: databases and object stores."""
