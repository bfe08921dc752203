"""Real object stores, each once for a process of the tests, each test with a prefix of its own.

Their data lie outside the directories of the tests, for what a module leaves there is removed with its end.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.servers.azurite import Azurite, azurite
from tests.servers.faulty import FaultyProxy, faulty
from tests.servers.seaweedfs import SeaweedFS, seaweedfs


@pytest.fixture(scope="session")
def s3() -> Iterator[SeaweedFS]:
    """A server of S3."""
    with TemporaryDirectory(prefix="archimage-seaweedfs-") as directory, seaweedfs(Path(directory)) as server:
        yield server


@pytest.fixture(scope="session")
def google(s3: SeaweedFS) -> Iterator[FaultyProxy]:
    """The same server, spoken to as Google's is: what differs in the requests is translated on the way."""
    with faulty(s3.port, google=True) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def azure() -> Iterator[Azurite]:
    """A server of Azure Blob Storage."""
    with TemporaryDirectory(prefix="archimage-azurite-") as directory, azurite(Path(directory)) as server:
        yield server
