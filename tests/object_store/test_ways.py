"""Objects on their way through a whole server to an object store, back from there, and away."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from archimage.dicom.part10 import decode_file_meta
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.server import running, wait_until
from tests.object_store.serving import FRAME_BYTES, SERIES, UPLOADED_WITHIN_S, archive, frames_of, settings_of
from tests.servers.seaweedfs import SeaweedFS
from tests.web.stowing import STUDY, ask, image, store


@pytest.mark.parametrize("mode", ["write-back", "write-through"])
@pytest.mark.parametrize("cache_bytes", [0, 1 << 30])
def test_what_is_sent_is_uploaded_found_and_read_by_ranges(
    tmp_path: Path, s3: SeaweedFS, mode: str, cache_bytes: int
) -> None:
    pixels = os.urandom(24 * FRAME_BYTES)
    large, data = frames_of(pixels)
    small = new_uid()
    with archive(tmp_path / "data", s3, mode=mode, cache_bytes=cache_bytes) as run:
        assert run.send(small, dataset(small)) == 0
        assert run.send(large, data) == 0
        if mode == "write-through":
            assert len(run.keys()) == 2
        assert run.is_uploaded(small, large)
        assert run.found() == 1
        assert run.frame(large, 7) == (200, pixels[6 * FRAME_BYTES : 7 * FRAME_BYTES])
        assert run.frame(large, 24) == (200, pixels[23 * FRAME_BYTES :])
        assert run.get(small, "/metadata", "application/dicom+json")[0] == 200
        for uid, sent in ((small, dataset(small)), (large, data)):
            status, body = run.get(uid, accept="application/dicom")
            assert status == 200
            assert body[decode_file_meta(body)[1] :] == sent
        copies = [path for path in (run.server.directory / "cache" / "objects").rglob("*") if path.is_file()]
        assert bool(copies) == bool(cache_bytes)


def test_what_is_removed_is_removed_in_the_object_store_too(tmp_path: Path, s3: SeaweedFS) -> None:
    uids = [new_uid() for _ in range(4)]
    with archive(tmp_path / "data", s3) as run:
        assert store(run.server.http_port, [image(uid) for uid in uids]).status == 200
        assert run.is_uploaded(*uids)
        place = f"/studies/{STUDY}/series/{SERIES}/instances"
        assert ask(run.server.http_port, "DELETE", f"{place}/{uids[0]}").status == 200
        assert wait_until(lambda: len(run.keys()) == 3, UPLOADED_WITHIN_S)
        assert run.get(uids[0])[0] == 404
        assert store(run.server.http_port, [image(uids[0])]).stored() == [uids[0]]
        assert run.is_uploaded(*uids[1:])
        (again,) = run.keys() - {f"{STUDY}/{SERIES}/{uid}.dcm" for uid in uids}
        assert again.startswith(f"{STUDY}/{SERIES}/{uids[0]}-")  # another node may have a copy of the first
        assert ask(run.server.http_port, "DELETE", f"/studies/{STUDY}").status == 200
        assert wait_until(lambda: not run.keys(), UPLOADED_WITHIN_S)
        places = ("objects", "uploading", "removed", "incoming", "cache/objects")
        left = [path for name in places for path in (run.server.directory / name).rglob("*") if path.is_file()]
        assert left == []


def test_the_same_object_again_is_taken_for_what_it_is_and_another_one_is_refused(
    tmp_path: Path, s3: SeaweedFS
) -> None:
    uid = new_uid()
    with archive(tmp_path / "data", s3, cache_bytes=0) as run:
        assert run.send(uid, dataset(uid)) == 0
        assert run.is_uploaded(uid)
        assert run.send(uid, dataset(uid)) == 0
        assert run.send(uid, dataset(uid, pixels=bytes(256))) == 0x0111
        status, body = run.get(uid, accept="application/dicom")
        assert status == 200
        assert body.endswith(dataset(uid))


def test_an_archive_of_files_moves_to_the_object_store_when_it_is_given_one(tmp_path: Path, s3: SeaweedFS) -> None:
    uids = [new_uid() for _ in range(3)]
    with running(tmp_path / "data") as server:
        assert store(server.http_port, [image(uid) for uid in uids]).status == 200
    with archive(tmp_path / "data", s3, cache_bytes=0) as run:
        assert run.is_uploaded(*uids)
        assert all(run.get(uid, accept="application/dicom")[0] == 200 for uid in uids)


def test_the_index_can_be_made_anew_from_the_object_store(tmp_path: Path, s3: SeaweedFS) -> None:
    uids = [new_uid() for _ in range(3)]
    with archive(tmp_path / "data", s3, cache_bytes=0) as run:
        assert store(run.server.http_port, [image(uid) for uid in uids]).status == 200
        assert run.is_uploaded(*uids)
        prefix = run.prefix
    named = settings_of(s3.settings(prefix), cache_bytes=0)
    environment = {**os.environ, **{f"ARCHIMAGE__{name.upper()}": str(value) for name, value in named.items()}}
    command = [sys.executable, "-m", "archimage", "index"]
    for words, code in (("verify", 1), ("rebuild", 0), ("verify", 0)):
        told = [*command, words, "--data", str(tmp_path / "other")]
        done = subprocess.run(told, env=environment, capture_output=True, timeout=60, check=False)
        assert done.returncode == code, done
    with archive(tmp_path / "other", s3, prefix, cache_bytes=0) as run:
        assert run.found() == 1
        assert all(run.get(uid, accept="application/dicom")[0] == 200 for uid in uids)
