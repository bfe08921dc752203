"""What comes goes on by rules: to DCMTK's receiver, to another archive, de-identified; and through a kill -9."""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pydicom
import pytest

from archimage.dicom.demo import demo_files
from archimage.net.conversation import RemoteNode
from tests.attacks.server import running, wait_until
from tests.interop.managing import Api
from tests.interop.peers import free_port, storescp
from tests.interop.routed import (
    WITHIN_S,
    archimage,
    arrives,
    begun,
    received,
    routing,
    send,
    settings,
    study,
    study_uid,
)


def receiver() -> RemoteNode:
    """A receiver on a free port."""
    return RemoteNode("RECEIVER", "127.0.0.1", free_port())


@pytest.mark.parametrize("on", ["study", "instance"])
def test_what_comes_arrives_bit_for_bit_at_storescp(tmp_path: Path, on: str) -> None:
    node, there = receiver(), tmp_path / "there"
    config = settings(tmp_path / "a.toml", f'name = "on"\non = "{on}"\nactions = "send:RECEIVER"')
    wanted = study(tmp_path / "in", 1, 40)
    with storescp(node, there), routing(tmp_path / "data" / "a", config, f"RECEIVER=127.0.0.1:{node.port}") as server:
        send(server, tmp_path / "in")
        assert arrives(there, wanted)
        more = study(tmp_path / "more", 1, 41)
        late = {uid: data for uid, data in more.items() if uid not in wanted}
        for path in (tmp_path / "more").iterdir():
            if path.stem not in late:
                path.unlink()
        send(server, tmp_path / "more")
        assert arrives(there, wanted | late)
        api = Api(f"http://127.0.0.1:{server.http_port}/")
        done = "/routing/studies?state=done"
        assert wait_until(lambda: [row["instances"] for row in api.ask("GET", done).json] == [41], 10)
        assert api.ask("GET", "/routing/rules").json[0]["studies"] == {"done": 1}


@pytest.mark.parametrize("on", ["study", "instance"])
def test_a_sender_that_is_killed_in_the_middle_loses_nothing(tmp_path: Path, on: str) -> None:
    node, there, data = receiver(), tmp_path / "there", tmp_path / "data" / "a"
    config = settings(tmp_path / "a.toml", f'name = "on"\non = "{on}"\nactions = "send:RECEIVER"')
    wanted = study(tmp_path / "in", 1, 300, pixels=256 << 10)
    address = f"RECEIVER=127.0.0.1:{node.port}"
    with storescp(node, there):
        server = begun(data, config, address)
        try:
            send(server, tmp_path / "in")
            assert wait_until(lambda: len(list(there.iterdir())) >= 20, WITHIN_S), server.log
        finally:
            server.process.kill()
            server.process.wait(20)
        before = len(list(there.iterdir()))
        assert before < len(wanted)
        with routing(data, config, address):
            assert arrives(there, wanted)


def test_what_a_node_does_not_take_for_now_is_sent_later(tmp_path: Path) -> None:
    node, there = receiver(), tmp_path / "there"
    config = settings(tmp_path / "a.toml", 'name = "on"\non = "instance"\nactions = "send:RECEIVER"')
    wanted = study(tmp_path / "in", 1, 3)
    with routing(tmp_path / "data" / "a", config, f"RECEIVER=127.0.0.1:{node.port}") as server:
        send(server, tmp_path / "in")
        api = Api(f"http://127.0.0.1:{server.http_port}/")
        assert wait_until(lambda: bool(api.ask("GET", "/routing/studies?state=failing").json), 10)
        with storescp(node, there):
            assert arrives(there, wanted)


def test_what_leaves_de_identified_tells_nobody(tmp_path: Path) -> None:
    node, there = receiver(), tmp_path / "there"
    rule = 'name = "trial"\nactions = ["deidentify:TRIAL", "send:RECEIVER", "label:sent"]'
    config = settings(tmp_path / "a.toml", rule)
    _demo(tmp_path / "in")
    uid = pydicom.dcmread(tmp_path / "in" / "0.dcm").StudyInstanceUID
    with storescp(node, there), routing(tmp_path / "data" / "a", config, f"RECEIVER=127.0.0.1:{node.port}") as server:
        send(server, tmp_path / "in")
        api = Api(f"http://127.0.0.1:{server.http_port}/")
        assert wait_until(lambda: api.ask("GET", f"/studies/{uid}").json["labels"] == ["sent"], WITHIN_S), api.ask(
            "GET", "/routing/studies"
        ).json
        found = list(received(there).values())
        assert len(found) == 2
        assert not [data for data in found if b"Demo^CT" in data or uid.encode() in data]
        for file in there.iterdir():
            assert pydicom.dcmread(file).PatientIdentityRemoved == "YES"


def test_studies_are_stored_by_stow_and_transcoded_on_the_way(tmp_path: Path) -> None:
    wanted = study(tmp_path / "in", 1, 5, pixels=16 * 8 * 2)
    with running(tmp_path / "data" / "b") as other:
        address = f"http://127.0.0.1:{other.http_port}/dicom-web/studies"
        rules = (
            f'name = "plain"\nunless = {{ PatientID = "DEMO-CT" }}\nactions = "stow:{address}"',
            f'name = "small"\nwhen.PatientID = "DEMO-CT"\nactions = ["transcode:rle-lossless", "stow:{address}"]',
        )
        config = settings(tmp_path / "a.toml", *rules)
        _demo(tmp_path / "in2")
        with routing(tmp_path / "data" / "a", config) as server:
            send(server, tmp_path / "in")
            send(server, tmp_path / "in2")
            assert wait_until(lambda: len(other.rows()) == len(wanted) + 2, WITHIN_S), server.log
        syntaxes = {row.sop_instance_uid: row.transfer_syntax_uid for row in other.rows()}
        assert {syntaxes[uid] for uid in wanted} == {"1.2.840.10008.1.2.1"}
        assert [syntax for uid, syntax in syntaxes.items() if uid not in wanted] == ["1.2.840.10008.1.2.5"] * 2


def test_notifications_are_signed_and_name_nobody(tmp_path: Path) -> None:
    study(tmp_path / "in", 1, 2)
    with _hook() as (address, heard):
        rule = f'name = "tell"\nactions = "notify:{address}"'
        config = settings(tmp_path / "a.toml", rule)
        config.write_text(config.read_text().replace("[routing]\n", '[routing]\nwebhook_secret = "geheim"\n', 1))
        with routing(tmp_path / "data" / "a", config) as server:
            send(server, tmp_path / "in")
            assert wait_until(lambda: bool(heard), WITHIN_S), server.log
    signature, body = heard[0]
    at, given = (part.partition("=")[2] for part in signature.split(","))
    assert given == hmac.new(b"geheim", at.encode() + b"." + body, hashlib.sha256).hexdigest()
    told = json.loads(body)
    assert (told["study_instance_uid"], told["instances"], told["source_ae_title"]) == (study_uid(1), 2, "CT1")
    assert b"Attack" not in body


def test_what_is_imported_beside_the_server_is_routed_too(tmp_path: Path) -> None:
    node, there, data = receiver(), tmp_path / "there", tmp_path / "data" / "a"
    config = settings(tmp_path / "a.toml", 'name = "on"\nactions = "send:RECEIVER"')
    wanted = study(tmp_path / "in", 1, 4)
    with storescp(node, there), routing(data, config, f"RECEIVER=127.0.0.1:{node.port}"):
        archimage("import", tmp_path / "in", "--data", data)
        assert arrives(there, wanted)


def test_a_rule_looks_at_what_the_sender_called_the_archive_also_after_a_crash(tmp_path: Path) -> None:
    data = tmp_path / "data" / "a"
    rules = ('name = "read"\ncalled = "READ_*"\nactions = "label:to read"',)
    called = ("-aec", "READ_1"), ("-aec", "OTHER"), ("-aec", "READ_2")
    config = settings(tmp_path / "a.toml", *rules, more="[dicom]\nany_called_ae_title = true")
    server = begun(data, config)
    try:
        for number, title in enumerate(called, 1):
            study(tmp_path / str(number), number, 1)
            archimage("store", "127.0.0.1", server.port, tmp_path / str(number), *title)
    finally:
        server.process.kill()
        server.process.wait(20)
    with routing(data, config) as server:
        api = Api(f"http://127.0.0.1:{server.http_port}/")

        def labelled() -> set[str]:
            found = api.ask("GET", "/studies?label=to%20read").json["items"]
            return {one["study_instance_uid"] for one in found}

        assert wait_until(lambda: labelled() == {study_uid(1), study_uid(3)}, WITHIN_S), server.log


def test_a_command_tells_what_rules_make_of_a_file(tmp_path: Path) -> None:
    study(tmp_path / "in", 1, 1)
    (file,) = (tmp_path / "in").iterdir()
    rules = (
        'name = "day"\nhours = "07:00-19:00"\nwhen = { Modality = "CT" }\nactions = "send:A"',
        'name = "mr"\nwhen = { Modality = "MR" }\nsource = "MR*"\nactions = ["label:x", "send:B"]',
    )
    config = settings(tmp_path / "a.toml", *rules)
    arguments = ("route", "test", file, "--source", "CT1", "--at", "2026-03-02 08:00", "--config", config)
    day, other = json.loads(archimage(*arguments, "--json"))
    assert (day["matches"], day["actions"]) == (True, ["send:A"])
    assert [(one["met"], one["found"]) for one in other["findings"]] == [(False, "CT1"), (False, "CT")]
    assert "no  Modality is MR; found 'CT'" in archimage(*arguments)
    config = settings(tmp_path / "a.toml", 'name = "alias"\ncalled = "ALIAS"\nactions = "label:x"')
    tries = (archimage(*arguments, *more) for more in ((), ("--called", "ALIAS")))
    assert ["does not match" in told for told in tries] == [True, False]
    config = settings(tmp_path / "a.toml", *rules)
    assert [rule["rule"] for rule in json.loads(archimage("route", "list", "--config", config, "--json"))] == [
        "day",
        "mr",
    ]


def _demo(folder: Path) -> None:
    """Write two slices of the demo's CT."""
    folder.mkdir()
    for number, data in zip(range(2), demo_files(slices=2), strict=False):
        (folder / f"{number}.dcm").write_bytes(data)


@contextmanager
def _hook() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Run a receiver of notifications; yield its address, and what it hears."""
    heard: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((self.headers["X-Archimage-Signature"], body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook", heard
        finally:
            server.shutdown()
            thread.join()
