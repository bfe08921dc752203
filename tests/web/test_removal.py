"""What is removed or replaced over HTTP leaves nothing on the disk, whoever made something of it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.attacks.datasets import PATIENT_NAME, SERIES_INSTANCE_UID, new_uid
from tests.attacks.server import Server, running
from tests.services.compressing import image
from tests.web.stowing import STUDY, ask, http_port, part10, store
from tests.web.wadoing import get

OTHER_FORM = 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.5'
_PLACES = ("objects", "incoming", "cache")


@pytest.fixture(scope="module", params=[1, 2])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of one process, and one of two, that replaces what comes again with other bytes."""
    directory, options = tmp_path_factory.mktemp("removal") / "data", ("--workers", str(request.param))
    with running(directory, options, ARCHIMAGE__STORAGE__DUPLICATES="replace") as server:
        yield server


def files(server: Server) -> list[Path]:
    """List what lies on the disk of objects and of what was made of them."""
    places = (server.directory / name for name in _PLACES)
    return [path for place in places for path in place.rglob("*") if path.is_file()]


def kept(port: int, series: str) -> str:
    """Store an image, and have its metadata and another form of it from every process; return its UID."""
    uid = new_uid()
    replaced = {PATIENT_NAME: b"Doe^Jane", SERIES_INSTANCE_UID: series.encode()}
    assert store(port, [part10(image(uid, replaced=replaced), uid)]).stored() == [uid]
    place = f"/studies/{STUDY}/series/{series}"
    for _ in range(8):
        assert get(port, f"{place}/metadata").status == 200
        assert get(port, f"{place}/instances/{uid}", OTHER_FORM).status == 200
        assert get(port, f"/studies/{STUDY}/metadata").status == 200
    return uid


@pytest.mark.parametrize("level", ["", "/series/{series}", "/series/{series}/instances/{uid}"])
def test_nothing_of_what_was_removed_stays(server: Server, level: str) -> None:
    port, series = http_port(server), f"{STUDY}.7"
    uid = kept(port, series)
    assert len(files(server)) == 3
    answer = ask(port, "DELETE", f"/studies/{STUDY}" + level.format(series=series, uid=uid))
    assert answer.status == 200
    assert files(server) == []


def test_what_is_made_while_an_object_is_removed_does_not_stay(server: Server) -> None:
    port, series = http_port(server), f"{STUDY}.8"
    for _ in range(5):
        uid = kept(port, series)
        place = f"/studies/{STUDY}/series/{series}"

        def ask_for(accept: str | None, place: str = place, uid: str = uid) -> set[int]:
            path = f"{place}/metadata" if accept is None else f"{place}/instances/{uid}"
            return {get(port, path, accept).status for _ in range(20)}

        with ThreadPoolExecutor(4) as threads:
            asking = [threads.submit(ask_for, accept) for accept in (None, OTHER_FORM) * 2]
            assert ask(port, "DELETE", f"/studies/{STUDY}").status == 200
            assert all(one.result() <= {200, 404} for one in asking)
        assert files(server) == []


def test_nothing_of_what_was_replaced_stays(server: Server) -> None:
    port, series = http_port(server), f"{STUDY}.9"
    uid = kept(port, series)
    before = set(files(server))
    replaced = {PATIENT_NAME: b"Doe^John", SERIES_INSTANCE_UID: series.encode()}
    assert store(port, [part10(image(uid, replaced=replaced), uid)]).stored() == [uid]
    (left,) = files(server)
    assert left not in before
    assert b"Doe^John" in left.read_bytes()
    assert ask(port, "DELETE", f"/studies/{STUDY}").status == 200
    assert files(server) == []
