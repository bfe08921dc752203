"""Storage commitment with dcmjs-dimse: it asks us and hears the result at its listener; and we ask it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import pytest
from pydicom.uid import generate_uid

from tests.attacks.server import Server, running, wait_until
from tests.attacks.wire import CT
from tests.interop.committing import WITHIN_S, call, store
from tests.interop.javascript import DCMJS, Listener, listening
from tests.interop.peers import free_port

_SCRIPT: Final = Path(__file__).with_name("commitment_dcmjs.cjs")


@pytest.fixture(scope="module")
def port() -> int:
    """Where dcmjs-dimse listens."""
    return free_port()


@pytest.fixture(scope="module")
def server(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Our server, which does not wait for long until it reports on another association."""
    settings = {"commitment__same_association_s": 1.0}
    option = ["--node", f"DCMJS=127.0.0.1:{port}"]
    with running(tmp_path_factory.mktemp("dcmjs") / "data", option, settings) as server:
        yield server


def _dcmjs(server: Server, port: int, mode: str, **more: Any) -> AbstractContextManager[Listener]:
    """Run the script; it listens in the block."""
    asked = {"mode": mode, "port": server.port, "listen": port, "calling": "DCMJS", "called": "PACS_SCP", **more}
    return listening(_SCRIPT, asked, DCMJS)


def test_it_asks_and_is_told(server: Server, port: int) -> None:
    uids, transaction = store(server, 2), str(generate_uid())
    references = [(CT, uid) for uid in uids]
    with _dcmjs(server, port, "ask", transaction=transaction, references=references) as node:
        assert node.told() == {"event": 1, "transaction": transaction, "instances": uids}


def test_it_is_asked_and_tells(server: Server, port: int) -> None:
    uids = store(server, 2)
    with _dcmjs(server, port, "serve") as node:
        kept = call(server, "/nodes/DCMJS/commitment", "POST", {"instances": uids})
        said = node.told()
    assert (said["transaction"], sorted(said["instances"]), said["status"]) == (kept["transaction_uid"], uids, 0)
    number = kept["id"]
    assert wait_until(lambda: call(server, f"/commitments/{number}")["commitment"]["state"] == "answered", WITHIN_S)
    assert call(server, f"/commitments/{number}")["problems"] == []
