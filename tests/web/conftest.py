"""A server for each module that asks for one, and real objects on it."""

from collections.abc import Iterator

import pytest

from tests.attacks.server import Server, running
from tests.web.stowing import http_port
from tests.web.wadoing import Kept, store_real_files


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the module."""
    with running(tmp_path_factory.mktemp("wado") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def port(server: Server) -> int:
    """Where it listens for HTTP."""
    return http_port(server)


@pytest.fixture(scope="module")
def real(port: int) -> list[Kept]:
    """Every real object that can be stored."""
    return store_real_files(port)
