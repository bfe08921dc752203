"""Real object stores for the tests of what keeps objects."""

from tests.servers.fixtures import azure, google, s3

__all__ = ["azure", "google", "s3"]
