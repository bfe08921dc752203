"""Storage commitment with dcmjs-dimse: it asks us and hears the result at its listener; and we ask it."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from pydicom.uid import generate_uid

from tests.attacks.server import Server, running, wait_until
from tests.attacks.wire import CT
from tests.interop.committing import WITHIN_S, call, store
from tests.interop.peers import free_port, missing

_ROOT: Final = Path(__file__).parents[2]
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


@contextmanager
def _dcmjs(server: Server, port: int, mode: str, **more: Any) -> Iterator["subprocess.Popen[str]"]:
    """Run the script; it listens in the block."""
    node = shutil.which("node")
    if node is None or not (_ROOT / "node_modules" / "dcmjs-dimse").is_dir():
        missing("node or the npm packages of the tests are missing: apt-get install nodejs npm; make peers")
    asked = {"mode": mode, "port": server.port, "listen": port, "calling": "DCMJS", "called": "PACS_SCP", **more}
    command = [node, str(_SCRIPT)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(asked))
            process.stdin.close()
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def _said(process: "subprocess.Popen[str]") -> Any:
    assert process.stdout is not None
    process.wait(WITHIN_S)
    return json.loads(process.stdout.readline())


def test_it_asks_and_is_told(server: Server, port: int) -> None:
    uids, transaction = store(server, 2), str(generate_uid())
    references = [(CT, uid) for uid in uids]
    with _dcmjs(server, port, "ask", transaction=transaction, references=references) as process:
        assert _said(process) == {"event": 1, "transaction": transaction, "instances": uids}


def test_it_is_asked_and_tells(server: Server, port: int) -> None:
    uids = store(server, 2)
    with _dcmjs(server, port, "serve") as process:
        kept = call(server, "/nodes/DCMJS/commitment", "POST", {"instances": uids})
        said = _said(process)
    assert (said["transaction"], sorted(said["instances"]), said["status"]) == (kept["transaction_uid"], uids, 0)
    number = kept["id"]
    assert wait_until(lambda: call(server, f"/commitments/{number}")["commitment"]["state"] == "answered", WITHIN_S)
    assert call(server, f"/commitments/{number}")["problems"] == []
