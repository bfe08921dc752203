"""A whole server with a cold tier in an object store: moved there, read from there, brought back, and deleted there."""

import http.client
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from archimage.dicom.part10 import decode_file_meta
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.server import running, wait_until
from tests.object_store.serving import FRAME_BYTES, Archive, frames_of, settings_of
from tests.servers.seaweedfs import SeaweedFS
from tests.web.stowing import STUDY, Answer, ask

WITHIN_S = 30.0
RULE = """
[retention]
spare_days = 0
studies_per_minute = 100000

[[retention.rule]]
name = "To {tier}"
action = "move"
to = "{tier}"
modalities = ["CT"]
"""


def write(data: Path, tier: str) -> None:
    """Write a rule."""
    data.mkdir(exist_ok=True)
    (data / "archimage.toml").write_text(RULE.format(tier=tier))


@contextmanager
def archive(data: Path, s3: SeaweedFS, prefix: str, **settings: object) -> Iterator[Archive]:
    """Run a server with a cold tier below a prefix."""
    cold = {f"tiers__cold__{name}": value for name, value in s3.settings(prefix).items()}
    with running(data, (), {**cold, **settings}) as server:
        yield Archive(server, s3, prefix)


def call(run: Archive, method: str, address: str) -> Answer:
    """Ask for something that is not of DICOMweb."""
    connection = http.client.HTTPConnection("127.0.0.1", run.server.http_port, timeout=30)
    try:
        connection.request(method, address)
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


def carry_out(run: Archive) -> int:
    """Have the rules carried out; return how many studies were moved."""
    begun = call(run, "POST", "/api/v1/retention/run")
    assert begun.status == 202, begun.body

    def ended() -> bool:
        return bool(call(run, "GET", "/api/v1/retention").model["runs"][0]["state"] == "done")

    assert wait_until(ended, WITHIN_S)
    found = call(run, "GET", "/api/v1/retention").model["runs"][0]
    assert found["failed"] == 0, found
    return int(found["moved"])


@pytest.mark.parametrize("hot", ["files", "object store"])
def test_a_study_is_moved_read_brought_back_and_deleted(tmp_path: Path, s3: SeaweedFS, hot: str) -> None:
    data, prefix = tmp_path / "data", secrets.token_hex(8)
    others = settings_of(s3.settings(secrets.token_hex(8)), mode="write-through") if hot == "object store" else {}
    pixels = os.urandom(24 * FRAME_BYTES)
    large, sent = frames_of(pixels)
    small = new_uid()
    write(data, "cold")
    with archive(data, s3, prefix, **others) as run:
        assert run.send(small, dataset(small)) == 0
        assert run.send(large, sent) == 0
        assert carry_out(run) == 1
        assert len(run.keys()) == 2
        cold = run.keys()
        assert all(key.startswith(f"cold/{STUDY}/") for key in cold)
        assert_read(run, {small: dataset(small), large: sent}, pixels)
        page = call(run, "GET", f"/studies/{STUDY}")
        assert b"Lies in tier" in page.body
        health = call(run, "GET", "/health").model
        assert health["parts"]["tiers"]["state"] == "ok", health
    write(data, "hot")
    with archive(data, s3, prefix, **others) as run:
        assert_read(run, {small: dataset(small), large: sent}, pixels)
        assert carry_out(run) == 1
        assert_read(run, {small: dataset(small), large: sent}, pixels)
    write(data, "cold")
    with archive(data, s3, prefix, **others) as run:  # alone: what was due of before is deleted
        assert wait_until(lambda: not run.keys(), WITHIN_S)
        assert_read(run, {small: dataset(small), large: sent}, pixels)
        assert carry_out(run) == 1
        assert ask(run.server.http_port, "DELETE", f"/studies/{STUDY}").status == 200
        assert run.get(small)[0] == 404
        assert wait_until(lambda: not run.keys(), WITHIN_S)


def assert_read(run: Archive, objects: dict[str, bytes], pixels: bytes) -> None:
    """Find and read everything: whole objects, frames by ranges, metadata."""
    assert run.found() == 1
    for uid, sent in objects.items():
        status, body = run.get(uid, accept="application/dicom")
        assert status == 200
        assert body[decode_file_meta(body)[1] :] == sent
        assert run.get(uid, "/metadata", "application/dicom+json")[0] == 200
    large = max(objects, key=lambda uid: len(objects[uid]))
    assert run.frame(large, 7) == (200, pixels[6 * FRAME_BYTES : 7 * FRAME_BYTES])


def test_a_tier_that_is_away_keeps_nobody_from_storing_and_is_told(tmp_path: Path, s3: SeaweedFS) -> None:
    data, prefix = tmp_path / "data", secrets.token_hex(8)
    uid, other = new_uid(), new_uid()
    write(data, "cold")
    with archive(data, s3, prefix) as run:
        assert run.send(uid, dataset(uid)) == 0
        assert carry_out(run) == 1
    gone = {"tiers__cold__endpoint": "http://127.0.0.1:9", "tiers__cold__timeout_s": 0.5}
    with archive(data, s3, prefix, **gone) as run:
        assert run.send(other, dataset(other)) == 0
        assert run.send(uid, dataset(uid)) != 0  # it cannot be told whether that is the one that is kept
        assert run.get(other, accept="application/dicom")[0] == 200
        assert run.get(uid, accept="application/dicom")[0] == 503
        health = call(run, "GET", "/health").model
        assert health["parts"]["tiers"]["state"] != "ok"
        assert call(run, "GET", "/ready").status == 200
        begun = call(run, "POST", "/api/v1/retention/run").model
        address = "/api/v1/retention"
        assert wait_until(lambda: call(run, "GET", address).model["runs"][0]["state"] == "done", WITHIN_S)
        ended = call(run, "GET", address).model["runs"][0]
        assert (ended["number"], ended["moved"], ended["failed"]) == (begun["number"], 0, 1)
        assert "cold" in ended["error"] or "object store" in ended["error"]
    with archive(data, s3, prefix) as run:
        assert run.get(uid, accept="application/dicom")[0] == 200
        assert carry_out(run) == 1
        assert len(run.keys()) == 2
