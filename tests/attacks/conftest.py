"""Servers with short deadlines, and the check that each attack left nothing behind."""

import os
from collections.abc import Iterator
from typing import Final

import pytest

from tests.attacks.datasets import dataset, new_uid
from tests.attacks.server import Server, running
from tests.attacks.wire import Peer

SCALE: Final = float(os.environ.get("ARCHIMAGE_TEST_SCALE", "1"))
ARTIM_S: Final = 2.0
IDLE_S: Final = 3.0


@pytest.fixture(scope="module")
def settings() -> dict[str, object]:
    """What a module's server is set to beside the deadlines; modules override it."""
    return {}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, object]) -> Iterator[Server]:
    """One server for the module, deep enough in its directory that climbing out of it shows; it has stored once."""
    directory = tmp_path_factory.mktemp("attack") / "one" / "two" / "data"
    deadlines = {"dicom__artim_timeout_s": ARTIM_S, "dicom__idle_timeout_s": IDLE_S}
    with running(directory, settings=deadlines | settings) as server:
        uid = new_uid()
        with Peer.associated(server.port) as peer:
            assert peer.store(uid, dataset(uid)) == 0
            peer.release()
        server.finish_start()
        yield server


@pytest.fixture
def server(process: Server) -> Iterator[Server]:
    """The module's server; after the test it must be as before."""
    process.echo()
    before = process.footprint()
    yield process
    process.check_unharmed(before)
