"""A server that takes messages, and what is asked of it over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.server import Server, running
from tests.hl7.asking import Asking
from tests.hl7.sending import ENABLED


@pytest.fixture(scope="module")
def hl7_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server, for all tests of a module; each uses patients and control ids of its own."""
    directory: Path = tmp_path_factory.mktemp("hl7") / "one" / "two" / "data"
    limits = {"hl7__message_timeout_s": 1, "hl7__max_connections": 8}
    with running(directory, settings={**ENABLED, **limits}) as server:
        yield server


@pytest.fixture
def asking(hl7_server: Server) -> Asking:
    """The management API."""
    return Asking(hl7_server.http_port)
