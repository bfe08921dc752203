"""A disk or an index that fails while objects come over HTTP is told, and keeps nothing by halves."""

import errno
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from archimage.protocol.status import Status
from tests.attacks.datasets import new_uid
from tests.attacks.faults import Faults, compile_faults
from tests.attacks.server import Server, running, wait_until
from tests.attacks.wire import CT
from tests.web.stowing import STUDY, Part, ask, http_port, image, multipart, post, related, store

_SIZES = {"journalled": 1_000, "own file": 400_000}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a module's server keeps its archive."""
    return tmp_path_factory.mktemp("stow-disk") / "one" / "two" / "data"


@pytest.fixture(scope="module")
def faults(ground: Path) -> Faults:
    """The faults of this module's server."""
    return compile_faults(ground.parents[2], ground)


@pytest.fixture(scope="module")
def process(ground: Path, faults: Faults) -> Iterator[Server]:
    """A server whose disk can be made to fail."""
    with running(ground, settings={"storage__journal_segment_bytes": 4 << 20}, **faults.environment) as server:
        yield server


@pytest.mark.parametrize("size", _SIZES.values(), ids=_SIZES)
def test_a_full_disk_is_told_and_objects_are_taken_when_it_has_room(server: Server, faults: Faults, size: int) -> None:
    port = http_port(server)
    uids = [new_uid() for _ in range(4)]
    files = [image(uid, pixels=bytes(size)) for uid in uids]
    faults.begin(errno.ENOSPC, "w")
    answer = store(port, files)
    faults.end()
    assert answer.status == 507
    assert answer.reasons() == [Status.OUT_OF_RESOURCES] * 4
    assert str(server.directory) not in str(answer)
    assert wait_until(lambda: store(port, files).stored() == uids, 10.0)


def test_a_disk_that_takes_no_bulk_values_is_told(server: Server, faults: Faults) -> None:
    values = {"00080016": CT, "00080018": new_uid(), "0020000D": STUDY, "0020000E": "1.2.4"}
    model: dict[str, object] = {tag: {"vr": "UI", "Value": [value]} for tag, value in values.items()}
    model["7FE00010"] = {"vr": "OW", "BulkDataURI": "x"}
    parts: list[Part] = [
        ("application/dicom+json", json.dumps(model).encode()),
        ("application/octet-stream", bytes(3 << 20), {"Content-Location": "x"}),
    ]
    faults.begin(errno.ENOSPC, "w")
    answer = post(http_port(server), multipart(parts), related("application/dicom+json"))
    faults.end()
    assert (answer.status, answer.reasons()) == (507, [Status.OUT_OF_RESOURCES])
    assert wait_until(lambda: store(http_port(server), [image(new_uid())]).status == 200, 10.0)


def test_an_index_that_does_not_answer_is_told_within_seconds(server: Server) -> None:
    port, uid = http_port(server), new_uid()
    with closing(sqlite3.connect(server.directory / "index.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = store(port, [image(uid)])
        assert (answer.status, answer.reasons()) == (503, [Status.OUT_OF_RESOURCES])
        assert int(answer.headers["retry-after"]) > 0
        assert ask(port, "DELETE", f"/studies/{STUDY}").status == 503
        other.execute("ROLLBACK")
    assert store(port, [image(uid)]).stored() == [uid]
