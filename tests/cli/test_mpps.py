"""`archimage mpps` and `deliveries`, against a server of ours; and the examples of docs/mpps.md, in order."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from archimage.app import build
from archimage.config import Config, StorageConfig
from archimage.net.conversation import RemoteNode
from tests.attacks.server import Server, running
from tests.cli.conftest import Invoke
from tests.interop.peers import free_port

_PAGE: Final = Path(__file__).parents[2] / "docs" / "mpps.md"
_STUDY: Final = "1.2.826.0.1.3680043.9.7"


@pytest.fixture(scope="module")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over the demo studies, that is to tell a node which is not there."""
    directory = tmp_path_factory.mktemp("mpps") / "data"
    filled = [sys.executable, "-m", "archimage", "demo", "--data", str(directory), "--slices", "5"]
    subprocess.run(filled, check=True, capture_output=True, timeout=100)
    option = f"RIS=127.0.0.1:{free_port()}"
    with running(directory, ("--node", option), {"mpps__forward": "RIS"}) as server:
        yield server


@pytest.fixture
def node(running_server: Server) -> RemoteNode:
    """Where it listens."""
    return RemoteNode("PACS_SCP", "127.0.0.1", running_server.port)


def test_a_step_is_begun_and_given_up(archimage: Invoke, node: RemoteNode, running_server: Server) -> None:
    data = running_server.directory
    begun = archimage(
        *(
            "mpps",
            "begin",
            node.host,
            node.port,
            "--study",
            _STUDY,
            "--step-id",
            "P1",
            "--modality",
            "CT",
            "-aet",
            "CT1",
        )
    )
    step = begun.out.strip()
    assert (begun.code, step[:5]) == (0, "2.25."), begun.err
    assert archimage("mpps", "discontinue", node.host, node.port, step).code == 0
    again = archimage("mpps", "discontinue", node.host, node.port, step)
    assert (again.code, "0x0110" in again.err or "Processing failure" in again.err) == (1, True), again.err
    shown = archimage("mpps", "show", step, "--data", data).json
    assert (shown["state"], shown["station_ae_title"], shown["series"]) == ("DISCONTINUED", "CT1", [])
    listed = archimage("mpps", "list", "--state", "discontinued", "--study", _STUDY, "--json", "--data", data).json
    assert step in {one["sop_instance_uid"] for one in listed}
    assert archimage("mpps", "list", "--state", "later", "--data", data).code == 2
    assert archimage("mpps", "get", node.host, node.port, "1.2.3").code == 1


def test_what_was_not_delivered_is_listed_and_removed(
    archimage: Invoke, node: RemoteNode, running_server: Server
) -> None:
    data = running_server.directory
    begin = ("mpps", "begin", node.host, node.port, "--study", _STUDY, "--step-id", "P2", "--modality", "CT")
    step = archimage(*begin, "-aet", "CT1").out.strip()
    waiting = archimage("deliveries", "list", "--state", "waiting", "--json", "--data", data).json
    (one,) = [found for found in waiting if found["about"] == step]
    assert (one["kind"], one["destination"]) == ("mpps-create", "RIS")
    assert archimage("deliveries", "retry", one["id"], "--data", data).code == 1
    assert [archimage("deliveries", deed, one["id"], "--data", data).code for deed in ("pause", "pause")] == [0, 1]
    assert [archimage("deliveries", deed, one["id"], "--data", data).code for deed in ("resume", "resume")] == [0, 1]
    assert "mpps-create" in archimage("deliveries", "list", "--data", data).out
    assert archimage("deliveries", "remove", one["id"], "--data", data).code == 0
    assert archimage("deliveries", "remove", one["id"], "--data", data).code == 1
    assert archimage("deliveries", "list", "--state", "late", "--data", data).code == 2


def test_the_examples_of_the_page_work(running_server: Server) -> None:
    (example,) = re.findall(r"^```sh\n(.*?)^```$", _PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    code = example.replace("127.0.0.1 11112", f"127.0.0.1 {running_server.port}")
    code = code.replace("127.0.0.1:8042", f"127.0.0.1:{running_server.http_port}")
    defined = f'archimage() {{ "{sys.executable}" -m archimage "$@"; }}\n'
    done = subprocess.run(
        ["bash", "-euc", defined + code],
        cwd=running_server.directory.parent,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"kept": 0' not in done.stdout
    assert "COMPLETED" in done.stdout
    assert "mpps-create" in done.stdout


def test_the_page_tells_of_every_kind_that_it_has(tmp_path: Path) -> None:
    app = build(Config(storage=StorageConfig(directory=tmp_path / "data")))
    try:
        ours = {kind for kind in app.department.deliveries.kinds if kind.startswith(("mpps", "availability"))}
    finally:
        app.close()
    assert ours == set(re.findall(r"`(mpps-\w+|availability)`", _PAGE.read_text("utf-8").rpartition("| kind |")[2]))
