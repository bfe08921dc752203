"""Whoever compresses, verifies, moves or exports studies may be killed: what is left is done by the next one."""

import io
import zipfile
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

import pytest

from archimage.model.tiers import tier_of
from archimage.services.compression_rules import TARGETS
from tests.attacks.datasets import SERIES_INSTANCE_UID, STUDY_INSTANCE_UID, new_uid
from tests.attacks.server import Server, launch, running, wait_until
from tests.attacks.wire import Peer
from tests.interop.managing import Api
from tests.jobs.test_killing import ended
from tests.services.compressing import image

STUDIES: Final = 120
_WITHIN_S: Final = 60.0
_TRIES: Final = 20
_LOSSLESS: Final = TARGETS["rle-lossless"]


def fill(server: Server) -> dict[str, str]:
    """Store an image in each of some studies; return the instances by study."""
    found = {f"1.2.3.{number}": new_uid() for number in range(STUDIES)}
    with Peer.associated(server.port) as peer:
        for study, uid in found.items():
            other = {STUDY_INSTANCE_UID: study.encode(), SERIES_INSTANCE_UID: f"{study}.1".encode()}
            assert peer.store(uid, image(uid, side=64, replaced=other)) == 0
        peer.release()
    return found


def killed_at_work(server: Server, kind: str, body: dict[str, Any]) -> int:
    """Have a job done, and kill the server once some of it is; return its number."""
    api = Api(f"http://127.0.0.1:{server.http_port}")
    for _ in range(_TRIES):  # it may have come to its end before it was seen to be at work
        begun = api.ask("POST", f"/jobs/{kind}", body)
        assert begun.status == 202, begun
        number = int(begun.json["id"], 16)
        found: dict[str, Any] = {}

        def is_at_work(number: int = number, found: dict[str, Any] = found) -> bool:
            found.update(api.ask("GET", f"/jobs/{number}").json)
            return bool(found["reached"]) or found["job"]["state"] == "done"

        assert wait_until(is_at_work, _WITHIN_S)
        if found["job"]["state"] == "running" and found["reached"]["studies"] < STUDIES // 2:
            server.process.kill()
            return number
    raise AssertionError(f"no job of kind {kind} was seen at work")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", ["compress", "verify", "tier", "export"])
def test_a_job_on_studies_outlives_whoever_did_it(tmp_path: Path, kind: str) -> None:
    settings = {"tiers__warm__directory": tmp_path / "warm"} if kind == "tier" else {}
    first = launch(tmp_path / "ours", settings=settings)
    try:
        first.wait_until_ready()
        stored = fill(first)
        to = {"compress": "rle-lossless", "tier": "warm"}.get(kind)
        more = {"to": to} if to else {}
        number = killed_at_work(first, kind, {"studies": list(stored), **more})
    finally:
        first.process.kill()
        first.process.wait(_WITHIN_S)
    with running(tmp_path / "ours", settings=settings) as second:
        job = ended(Api(f"http://127.0.0.1:{second.http_port}"), number)
        assert job["job"]["attempts"] == 2
        assert (job["result"]["studies"], job["result"]["objects"], job["result"]["failed"]) == (STUDIES, STUDIES, 0)
        if kind == "compress":
            assert {row.transfer_syntax_uid for row in second.rows()} == {_LOSSLESS}
            assert wait_until(lambda: {row.path for row in second.rows()} <= second.files(), _WITHIN_S)
        elif kind == "tier":
            assert {tier_of(row.path) for row in second.rows()} == {"warm"}
            assert all((tmp_path / "warm" / row.path).is_file() for row in second.rows())
        elif kind == "verify":
            assert job["result"]["damaged"] == 0
        else:
            names = {f"{study}/{uid}.dcm" for study, uid in stored.items()}
            assert names_in(second, number) == names


def names_in(server: Server, number: int) -> set[str]:
    """Download an export; return the names of its files, all of which are whole."""
    with closing(HTTPConnection("127.0.0.1", server.http_port, timeout=_WITHIN_S)) as connection:
        connection.request("GET", f"/api/v1/jobs/{number}/export")
        whole = connection.getresponse().read()
    with zipfile.ZipFile(io.BytesIO(whole)) as found:
        assert found.testzip() is None
        assert len(found.namelist()) == STUDIES
        return set(found.namelist())
