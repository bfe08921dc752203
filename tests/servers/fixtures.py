"""Real object stores, each once for a process of the tests, each test with a prefix of its own."""

from collections.abc import Iterator

import pytest

from tests.servers.azurite import Azurite, azurite
from tests.servers.faulty import FaultyProxy, faulty
from tests.servers.seaweedfs import SeaweedFS, seaweedfs


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """A server of S3."""
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def google(s3: SeaweedFS) -> Iterator[FaultyProxy]:
    """The same server, spoken to as Google's is: what differs in the requests is translated on the way."""
    with faulty(s3.port, google=True) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """A server of Azure Blob Storage."""
    with azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server
