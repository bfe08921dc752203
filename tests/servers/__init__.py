"""Real servers that the tests run against: each on free ports of the loopback, and ended by its process id."""
