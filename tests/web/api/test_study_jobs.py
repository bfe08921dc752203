"""Compressing, verifying and exporting whole studies over HTTP."""

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from archimage.config_object_store import TierConfig
from archimage.dicom.part10 import decode_file_meta
from archimage.index.sqlite import SqliteIndex
from archimage.model.records import StoredInstance
from archimage.model.tiers import copy_path, tier_of
from archimage.services.compression_rules import TARGETS
from archimage.storage.lanes import Turn
from tests.attacks.datasets import SERIES_INSTANCE_UID, STUDY_INSTANCE_UID, new_uid
from tests.attacks.server import wait_until
from tests.services.compressing import image
from tests.web.serving import Answer, Client, config, serving
from tests.web.stowing import part10, store

_WITHIN_S = 30.0
_PLAIN = "application/dicom%3Btransfer-syntax%3D1.2.840.10008.1.2.1"
_PIXELS = 64 * 64 * 2
STUDIES = ("1.2.3.1", "1.2.3.2")


class Archive(NamedTuple):
    """A server of two studies of two images each, and the files that were stored, by UID."""

    client: Client
    directory: Path
    files: dict[str, bytes]

    def ask(self, path: str, body: object) -> Answer:
        """Ask for a job."""
        data = json.dumps(body).encode()
        return self.client.ask(f"/api/v1/jobs/{path}", "POST", data, Content_Type="application/json")

    def do(self, path: str, body: object) -> tuple[int, dict[str, Any]]:
        """Have a job done; return its number, and what came of it."""
        asked = self.ask(path, body)
        assert asked.status == 202, asked.body
        task = asked.headers["location"]
        assert wait_until(lambda: bool(self.client.ask(task).json["ended"]), _WITHIN_S), self.client.ask(task).json
        ended = self.client.ask(task).json
        assert ended["state"] == "done", ended
        return int(ended["id"], 16), ended["result"]

    def rows(self) -> dict[str, StoredInstance]:
        """Return what is stored, by UID."""
        with closing(SqliteIndex(self.directory / "index.db")) as index:
            return {one.sop_instance_uid: one for page in index.all_instances() for one in page}

    def told(self, event: str) -> list[str]:
        """Return what the audit trail tells of a kind of event, in words."""
        return [json.dumps(one) for one in self.client.ask(f"/api/v1/audit?limit=1000&event={event}").json["items"]]

    def told_of(self, study: str, what: str) -> int:
        """Count the exports of a study that the audit trail tells of in these words."""
        return sum(study in one and what in one for one in self.told("110106"))


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with serving(config(tmp_path)) as client:
        files = {}
        for study in STUDIES:
            for _ in range(2):
                uid = new_uid()
                other = {STUDY_INSTANCE_UID: study.encode(), SERIES_INSTANCE_UID: f"{study}.1".encode()}
                files[uid] = part10(image(uid, side=64, replaced=other), uid)
                assert store(client.port, [files[uid]]).stored() == [uid]
        yield Archive(client, tmp_path, files)


def test_studies_are_compressed_once_and_from_one_form_to_another(archive: Archive) -> None:
    before = sum(one.size_bytes for one in archive.rows().values())
    _, result = archive.do("compress", {"studies": [STUDIES[0]], "to": "jpeg-ls-lossless"})
    assert (result["compressed"], result["as_they_were"], result["failed"]) == (2, 0, 0)
    now = archive.rows().values()
    assert sorted(one.transfer_syntax_uid for one in now).count(TARGETS["jpeg-ls-lossless"]) == 2
    assert before - sum(one.size_bytes for one in now) == result["saved_bytes"] > 0
    _, result = archive.do("compress", {"studies": STUDIES, "to": "jpeg-ls-lossless"})
    assert (result["compressed"], result["as_they_were"], result["failed"]) == (2, 2, 0)
    _, result = archive.do("compress", {"studies": STUDIES, "to": "htj2k-lossless"})
    assert (result["compressed"] + result["as_they_were"], result["failed"]) == (4, 0)
    for uid, file in archive.files.items():  # nothing is lost
        study = study_of(archive, uid)
        address = f"/dicom-web/studies/{study}/series/{study}.1/instances/{uid}?accept={_PLAIN}"
        assert archive.client.ask(address).body[-_PIXELS:] == file[-_PIXELS:]
    asked = "Compress 4 objects to htj2k-lossless"
    assert wait_until(lambda: any(asked in one for one in archive.told("110113")), _WITHIN_S)


def study_of(archive: Archive, uid: str) -> str:
    return STUDIES[list(archive.files).index(uid) // 2]


def test_what_cannot_be_compressed_is_refused(archive: Archive) -> None:
    assert archive.ask("compress", {"studies": STUDIES, "to": "none"}).status == 400
    assert archive.ask("compress", {"studies": [], "to": "rle-lossless"}).status == 400
    assert archive.ask("compress", {"studies": ["1.2.3.99"], "to": "rle-lossless"}).status == 404
    held = archive.client.ask(
        f"/api/v1/studies/{STUDIES[1]}/hold", "PUT", b'{"reason": "court"}', Content_Type="application/json"
    )
    assert held.status == 200, held.body
    refused = archive.ask("compress", {"studies": STUDIES, "to": "rle-lossless"})
    assert refused.status == 409
    assert "hold" in refused.json["error"]


def test_studies_are_verified_and_what_is_damaged_is_named(archive: Archive) -> None:
    _, result = archive.do("verify", {"studies": STUDIES})
    assert (result["objects"], result["damaged"], result["studies"]) == (4, 0, 2)
    row = archive.rows()[next(iter(archive.files))]
    path = archive.directory / "objects" / row.path
    path.write_bytes(path.read_bytes()[:-1] + b"\x55")
    _, result = archive.do("verify", {"studies": [STUDIES[1]]})
    assert (result["objects"], result["damaged"]) == (2, 0)
    for wanted in ({"studies": STUDIES}, {"all": True}):
        _, result = archive.do("verify", wanted)
        assert (result["objects"], result["damaged"], result["mended"], result["failed"]) == (4, 1, 0, 1)
        assert list(result["problems"]) == [row.path]
    assert archive.ask("verify", {}).status == 400


def test_what_lies_in_a_tier_that_is_away_is_counted_and_not_damaged(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    warm = tmp_path_factory.mktemp("mnt") / "warm"
    settings = config(tmp_path).model_copy(update={"tiers": {"warm": TierConfig(directory=str(warm))}})
    with serving(settings) as client:
        archive, uids = Archive(client, tmp_path, {}), [new_uid(), new_uid()]
        assert store(client.port, [part10(image(uid), uid) for uid in uids]).stored() == uids
        row = archive.rows()[uids[0]]
        with closing(SqliteIndex(tmp_path / "index.db")) as index, index.writing() as writer:
            writer.relocate(row.sop_instance_uid, row.path, copy_path(row.path, "warm"))
        shutil.rmtree(warm)
        _, result = archive.do("verify", {"all": True})
        counts = {name: result[name] for name in ("objects", "damaged", "unread", "failed")}
        assert counts == {"objects": 1, "damaged": 0, "unread": 1, "failed": 1}
        assert "warm is away" in result["problems"]["tier warm"]


@pytest.fixture
def tiered(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """A server of two studies of two images each, with another tier."""
    warm = tmp_path_factory.mktemp("mnt") / "warm"
    settings = config(tmp_path).model_copy(update={"tiers": {"warm": TierConfig(directory=str(warm))}})
    with serving(settings) as client:
        uids = [new_uid() for _ in range(4)]
        for number, uid in enumerate(uids):
            study = STUDIES[number // 2]
            other = {STUDY_INSTANCE_UID: study.encode(), SERIES_INSTANCE_UID: f"{study}.1".encode()}
            assert store(client.port, [part10(image(uid, replaced=other), uid)]).stored() == [uid]
        yield Archive(client, tmp_path, dict.fromkeys(uids, b""))


def tiers(archive: Archive) -> dict[str, set[str]]:
    """Tell where what of each study lies."""
    rows, found = archive.rows(), dict[str, set[str]]()
    for uid in archive.files:
        found.setdefault(study_of(archive, uid), set()).add(tier_of(rows[uid].path))
    return found


def test_a_study_is_moved_to_a_tier_and_back_and_told_to_the_trail(tiered: Archive) -> None:
    page = tiered.client.ask(f"/studies/{STUDIES[0]}").body.decode()
    assert 'id="tier" data-tiers="warm"' in page
    assert 'data-do="tier" data-tiers="warm hot"' in tiered.client.ask("/").body.decode()
    _, result = tiered.do("tier", {"studies": STUDIES[:1], "to": "warm"})
    assert (result["moved"], result["objects"], result["failed"]) == (2, 2, 0)
    assert tiers(tiered) == {STUDIES[0]: {"warm"}, STUDIES[1]: {"hot"}}
    assert 'id="tier" data-tiers="hot"' in tiered.client.ask(f"/studies/{STUDIES[0]}").body.decode()
    _, result = tiered.do("tier", {"studies": STUDIES, "to": "warm"})
    assert (result["moved"], result["objects"]) == (2, 4)
    _, result = tiered.do("tier", {"studies": STUDIES[:1], "to": "hot"})
    assert (result["moved"], tiers(tiered)) == (2, {STUDIES[0]: {"hot"}, STUDIES[1]: {"warm"}})

    def is_told() -> bool:
        """Whether it is told who has asked, and what was moved where."""
        asked = any("Move 2 objects to tier warm" in one for one in tiered.told("110113"))
        return asked and any("moved to tier warm" in one and STUDIES[0] in one for one in tiered.told("110103"))

    assert wait_until(is_told, _WITHIN_S)


def test_what_cannot_be_moved_to_a_tier_is_refused(tiered: Archive) -> None:
    unknown = tiered.ask("tier", {"studies": STUDIES, "to": "cold"})
    assert (unknown.status, "there are hot, warm" in unknown.json["error"]) == (406, True)
    assert tiered.ask("tier", {"studies": ["1.2.3.99"], "to": "warm"}).status == 404
    hold = f"/api/v1/studies/{STUDIES[1]}/hold"
    assert tiered.client.ask(hold, "PUT", b'{"reason": "court"}', Content_Type="application/json").status == 200
    assert tiered.ask("tier", {"studies": STUDIES, "to": "warm"}).status == 409
    assert 'id="tier"' not in tiered.client.ask(f"/studies/{STUDIES[1]}").body.decode()
    assert tiers(tiered) == {study: {"hot"} for study in STUDIES}


def test_without_tiers_there_is_nowhere_to_move_to(archive: Archive) -> None:
    assert archive.ask("tier", {"studies": STUDIES, "to": "hot"}).status == 406
    assert 'id="tier"' not in archive.client.ask(f"/studies/{STUDIES[0]}").body.decode()
    assert 'data-do="tier"' not in archive.client.ask("/").body.decode()


def test_a_move_to_a_tier_waits_while_rules_are_carried_out(tiered: Archive) -> None:
    turn = Turn.take(tiered.directory / "retention.lock")
    assert turn is not None
    with closing(turn):
        task = tiered.ask("tier", {"studies": STUDIES, "to": "warm"}).headers["location"]
        number = int(task.rpartition("/")[2], 16)

        def waits() -> bool:
            """Whether it was begun, and left for later."""
            job = tiered.client.ask(f"/api/v1/jobs/{number}").json["job"]
            return (job["state"], job["attempts"]) == ("waiting", 0) and "waits until rules" in job["message"]

        assert wait_until(waits, _WITHIN_S)
        assert tiers(tiered) == {study: {"hot"} for study in STUDIES}
    assert wait_until(lambda: tiers(tiered) == {study: {"warm"} for study in STUDIES}, _WITHIN_S)


def test_an_export_is_a_zip_of_every_study_and_told_to_the_trail(archive: Archive) -> None:
    number, result = archive.do("export", {"studies": STUDIES})
    assert (result["objects"], result["failed"], result["studies"]) == (4, 0, 2)
    address = f"/api/v1/jobs/{number}/export"
    whole = archive.client.ask(address)
    assert (whole.status, len(whole.body)) == (200, result["size_bytes"])
    assert f"export-{number}.zip" in whole.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(whole.body)) as found:
        assert found.testzip() is None
        assert set(found.namelist()) == {f"{study_of(archive, uid)}/{uid}.dcm" for uid in archive.files}
        for uid, file in archive.files.items():
            data = found.read(f"{study_of(archive, uid)}/{uid}.dcm")
            assert data[decode_file_meta(data)[1] :] == file[decode_file_meta(file)[1] :]
    part = archive.client.ask(address, Range="bytes=0-3")
    assert (part.status, part.body) == (206, b"PK\3\4")

    def is_told() -> bool:
        """Whether of each study it is told that it was written, and downloaded."""
        return all(archive.told_of(study, f"export {number}") >= 2 for study in STUDIES)

    assert wait_until(is_told, _WITHIN_S)


def test_an_export_that_is_not_there_is_told_so(archive: Archive) -> None:
    assert archive.client.ask("/api/v1/jobs/99/export").status == 404
    number, _ = archive.do("verify", {"all": True})
    assert archive.client.ask(f"/api/v1/jobs/{number}/export").status == 404
    number, _ = archive.do("export", {"studies": STUDIES[:1]})
    (archive.directory / "exports" / f"export-{number}.zip").unlink()
    assert archive.client.ask(f"/api/v1/jobs/{number}/export").status == 404
    assert archive.ask("export", {"studies": ["1.2.3.99"]}).status == 404
