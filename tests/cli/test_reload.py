"""SIGHUP: nodes, admission and the log's level are read again while associations go on; systemd is told of a start."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from archimage.protocol.pdu import AssociateAccept
from archimage.protocol.status import Status
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.server import wait_until
from tests.attacks.wire import Peer, request
from tests.web.fhir.receiver import Receiver

_WITHIN_S = 20.0


@dataclass
class Server:
    """A server as a process, and the file of its settings."""

    process: "subprocess.Popen[str]"
    file: Path
    log: Path
    dicom_port: int
    http_port: int

    def reload(self, text: str) -> None:
        """Write other settings and have them read."""
        self.file.write_text(text, "utf-8")
        self.process.send_signal(signal.SIGHUP)

    def lets_in(self, calling: str) -> bool:
        """Tell whether an AE title may associate."""
        with Peer(self.dicom_port) as peer:
            return isinstance(peer.associate(request(calling=calling)), AssociateAccept)

    def nodes(self) -> set[str]:
        """Return the AE titles of the nodes."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/api/v1/nodes", timeout=_WITHIN_S) as answer:
            return {node["ae_title"] for node in json.load(answer)}

    def projects(self) -> dict[str, str]:
        """Return for which project what goes to each node is de-identified."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/api/v1/nodes", timeout=_WITHIN_S) as answer:
            return {node["ae_title"]: node["deidentify"] for node in json.load(answer)}

    def has_said(self, text: str) -> bool:
        """Tell whether the log holds a text."""
        return text in self.log.read_text("utf-8")


@contextmanager
def serving(directory: Path, text: str, *arguments: str, notify: Path | None = None) -> Iterator[Server]:
    """Run a server with these settings."""
    file, log = directory / "settings.toml", directory / "log"
    file.write_text(text, "utf-8")
    command = [sys.executable, "-m", "archimage", "serve", "--data", str(directory / "data"), "--config", str(file)]
    ports = ["--dicom-port", "0", "--http-port", "0"]
    environment = {"NOTIFY_SOCKET": str(notify)} if notify else {}
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [*command, *ports, *arguments], stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        ) as process,
    ):
        try:
            assert process.stdout is not None
            _, dicom, http, *_ = process.stdout.readline().split()
            yield Server(process, file, log, *(int(part.rpartition(":")[2]) for part in (dicom, http)))
        finally:
            process.terminate()
            process.wait(_WITHIN_S)


@pytest.mark.parametrize("workers", [1, 2])
def test_who_may_associate_and_the_nodes_change_and_no_association_notices(tmp_path: Path, workers: int) -> None:
    before = '[dicom]\nallowed_calling_ae_titles = ["FIRST"]\n[nodes.OLD]\nhost = "192.0.2.1"\nport = 104\n'
    after = '[dicom]\nallowed_calling_ae_titles = ["SECOND"]\n[nodes.NEW]\nhost = "192.0.2.2"\nport = 104\n'
    with (
        serving(tmp_path, before, "--workers", str(workers)) as server,
        Peer.associated(server.dicom_port, request(calling="FIRST")) as first,
    ):
        assert not server.lets_in("SECOND")
        assert server.nodes() == {"OLD"}
        server.reload(after)
        assert wait_until(lambda: all(server.lets_in("SECOND") for _ in range(8)), _WITHIN_S)
        assert not server.lets_in("FIRST")
        assert wait_until(lambda: all(server.nodes() == {"NEW"} for _ in range(8)), _WITHIN_S)
        assert first.echo() == 0
        first.release()
        assert server.log.read_text("utf-8").count("the settings were read again") == workers


def test_settings_that_are_wrong_are_told_and_change_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, '[dicom]\nallowed_calling_ae_titles = ["FIRST"]\n') as server:
        server.reload('[dicom]\nallowed_calling_ae_titles = ["SECOND"]\nmax_associations = 0\n')
        assert wait_until(lambda: server.has_said("dicom.max_associations"), _WITHIN_S)
        assert server.has_said("the settings stay as they are")
        assert server.lets_in("FIRST")
        assert not server.lets_in("SECOND")


def test_what_holds_from_the_next_start_on_is_named(tmp_path: Path) -> None:
    with serving(tmp_path, '[log]\nlevel = "error"\n') as server:
        server.reload('[log]\nlevel = "info"\n[dicom]\nidle_timeout_s = 7.0\n[storage]\nduplicates = "replace"\n')
        assert wait_until(lambda: server.has_said("from the next start on"), _WITHIN_S)
        assert server.has_said("dicom.idle_timeout_s, storage.duplicates")
        assert server.has_said("level=info")
        with urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}/api/v1/settings", timeout=9) as answer:
            told = {one["name"]: one["value"] for one in json.load(answer)}
        assert (told["log.level"], told["dicom.idle_timeout_s"]) == ("info", 60.0)


def test_other_archives_are_read_again(tmp_path: Path) -> None:
    """A rule stores at an archive that the settings did not know at the start, and one that is elsewhere now."""

    def settings(name: str, path: str, told: str) -> str:
        archive = f'[routing.archives.{name}]\naddress = "{receiver.address}/{path}"\nauthorization = "{told}"\n'
        return f'{archive}[[routing.rule]]\nname = "on"\non = "instance"\nactions = "stow:{name}"\n'

    def stores(path: str, told: str) -> bool:
        uid = new_uid()
        with Peer.associated(server.dicom_port) as peer:
            assert peer.store(uid, dataset(uid)) == Status.SUCCESS
        return receiver.wait_for("POST", f"/hook/{path}/studies").headers["authorization"] == told

    receiver = Receiver()
    with receiver.listening(), serving(tmp_path, settings("WEB", "one", "first")) as server:
        assert stores("one", "first")
        server.reload(settings("WEB", "two", "second"))
        assert wait_until(lambda: server.has_said("the settings were read again"), _WITHIN_S)
        assert stores("two", "second")
        server.reload(settings("OTHER", "three", "third"))
        assert wait_until(lambda: server.log.read_text("utf-8").count("the settings were read again") == 2, _WITHIN_S)
        assert stores("three", "third")
        assert not server.has_said("from the next start on")


@pytest.mark.parametrize("abstract", [False, True])
def test_who_asks_is_told_when_it_listens(tmp_path: Path, abstract: bool) -> None:
    name = Path(f"@archimage-test-{tmp_path.name}") if abstract else tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.settimeout(_WITHIN_S)
        channel.bind("\0" + str(name)[1:] if abstract else str(name))
        with serving(tmp_path, "", notify=name) as server:
            assert channel.recv(100) == b"READY=1"
            assert server.lets_in("ANY")


def test_rules_and_projects_are_read_again_and_wrong_ones_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    rules = tmp_path / "data" / "rules.toml"
    rules.write_text('[[rule]]\nmodality = "US"\nblank = []\n')
    node = '[nodes.A]\nhost = "192.0.2.1"\nport = 104\ndeidentify = "{}"\n'
    with serving(tmp_path, '[deidentification]\nrules = "rules.toml"\n' + node.format("one")) as server:
        for wrong, text in (("rule 1 of regions", ""), ("no name of a project", node.format("no name"))):
            rules.write_text('[[rule]]\nmodality = "US"\n' + ("" if not text else "blank = []\n"))
            server.reload('[deidentification]\nrules = "rules.toml"\n' + (text or node.format("two")))
            assert wait_until(lambda wrong=wrong: server.has_said(wrong), _WITHIN_S)  # type: ignore[misc]
        assert server.projects() == {"A": "one"}
        server.reload('[deidentification]\nrules = "rules.toml"\n' + node.format("three"))
        assert wait_until(lambda: server.projects() == {"A": "three"}, _WITHIN_S)


def test_rules_of_retention_and_the_quota_are_read_again(tmp_path: Path) -> None:
    rule = '[[retention.rule]]\nname = "{}"\naction = "delete"\nolder_than_days = 9\n[storage]\nquota_bytes = {}\n'

    def told() -> tuple[list[str], int]:
        address = f"http://127.0.0.1:{server.http_port}/api/v1/retention"
        with urllib.request.urlopen(address, timeout=_WITHIN_S) as answer:
            found = json.load(answer)
        return [one["name"] for one in found["rules"]], found["quota_bytes"]

    def stores(uid: str) -> int:
        with Peer.associated(server.dicom_port) as peer:
            return peer.store(uid, dataset(uid))

    with serving(tmp_path, rule.format("first", 0)) as server:
        assert told() == (["first"], 0)
        assert stores("1.2.3") == 0
        server.reload(rule.format("second", 100))
        assert wait_until(lambda: told() == (["second"], 100), _WITHIN_S)
        assert wait_until(lambda: stores("1.2.4") == Status.OUT_OF_RESOURCES, _WITHIN_S)
        server.reload(rule.format("third", 1 << 30))
        assert wait_until(lambda: told() == (["third"], 1 << 30), _WITHIN_S)
        assert stores("1.2.5") == 0
        assert not server.has_said("from the next start on")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[deidentification]\nrules = "gone.toml"\n', "gone.toml cannot be read"),
        ('[nodes.A]\nhost = "a"\nport = 1\ndeidentify = "p"\ndeidentify_options = ["x"]\n', "nodes.A: no option"),
    ],
)
def test_a_start_with_rules_or_projects_that_are_wrong_says_which(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "settings.toml").write_text(text)
    command = [sys.executable, "-m", "archimage", "serve", "--data", str(tmp_path / "data")]
    ended = subprocess.run(
        [*command, "--config", str(tmp_path / "settings.toml"), "--dicom-port", "0", "--http-port", "0"],
        capture_output=True,
        text=True,
        timeout=_WITHIN_S * 3,
        check=False,
    )
    assert (ended.returncode, told in ended.stderr) == (2, True), ended.stderr
