"""Corrections of every kind of object: pixels and all else stay as they lie, whatever the encoding."""

import shutil
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from archimage.dicom.codecs.syntaxes import DEFLATED_LITTLE_ENDIAN, HTJ2K_LOSSLESS, JPEG_LS
from archimage.dicom.demo import demo_files
from archimage.dicom.part10 import decode_file_meta
from archimage.dicom.transcode import Transcoding
from archimage.imaging.pool import WorkerPool
from archimage.imaging.process import WorkerSettings
from archimage.model.changes import ChangeKind, ChangeRequest, PatientRef
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from archimage.services.compression_rules import CompressionRules
from archimage.services.compressor import Compressor
from archimage.services.frames import FrameService
from archimage.services.store import Expected
from tests.attacks.datasets import new_uid
from tests.attacks.wire import CT
from tests.dicom.files import BROKEN, real_dataset, real_file, real_files
from tests.dicom.images import stored
from tests.interop.peers import missing
from tests.services import test_changes
from tests.services.changing import Start, correct, kept, received_fresh, rows, store, with_uids
from tests.services.compressing import image
from tests.services.parts import Open, Parts

start = test_changes.start


@pytest.mark.parametrize(
    "name",
    [
        *("JPEGLSNearLossless_08.dcm", "image_dfl.dcm", "ExplVR_BigEnd.dcm"),
        *("MR_small_implicit.dcm", "emri_small_RLE.dcm", "JPEG2000.dcm", "CT_small.dcm", "rtplan.dcm", "reportsi.dcm"),
    ],
)
def test_pixels_and_all_else_of_real_objects_stay_as_they_are(parts: Parts, start: Start, name: str) -> None:
    meta, data = real_dataset(real_file(name))
    uid = store(parts, with_uids(data, meta.transfer_syntax_uid), meta.transfer_syntax_uid)
    before = kept(parts, uid)
    pixels = _pixel_bytes(parts, uid)
    study = str(before.StudyInstanceUID)
    values = {"PatientName": "Demo^Corrected", "PatientSex": "F", "PatientComments": "Dëmo"}
    trail = start(parts).do(correct(PatientRef(study_instance_uid=study), **values))
    assert (trail.change.done, trail.change.failed) == (1, 0), trail.studies
    after = kept(parts, uid)
    assert _pixel_bytes(parts, uid) == pixels
    assert parts.index.lookup(uid).transfer_syntax_uid == meta.transfer_syntax_uid  # type: ignore[union-attr]
    changed = {0x00100010, 0x00100040, 0x00104000, 0x00080005, 0x04000561}
    assert _elements(after, changed) == _elements(before, changed)
    assert (str(after.PatientName), after.PatientSex, after.PatientComments) == ("Demo^Corrected", "F", "Dëmo")


@pytest.mark.parametrize("target", [HTJ2K_LOSSLESS, JPEG_LS, DEFLATED_LITTLE_ENDIAN])
def test_pixels_of_compressed_and_deflated_objects_stay_as_they_are(parts: Parts, start: Start, target: str) -> None:
    meta, data = real_dataset(real_file("CT_small.dcm"))
    source = stored(data, meta.transfer_syntax_uid)
    assert source is not None
    transcoding = Transcoding(source.header, source.syntax, target)
    frames = [transcoding.transcode_frame(frame) for frame in source.frames]
    made = b"".join(transcoding.pieces(frames, [len(frame) for frame in frames], source.trailing))
    uid = store(parts, made, target)
    before = kept(parts, uid)
    change = start(parts)
    assert change.do(correct(PatientRef(before.PatientID), PatientName="山田^太郎")).change.done == 1
    after = kept(parts, uid)
    assert (after.PatientName, after.PixelData) == ("山田^太郎", before.PixelData)
    stored_frames = FrameService(parts.index, parts.blobs)
    row = parts.index.lookup(uid)
    assert row is not None
    assert stored_frames.frame(row, 1).data.rstrip(b"\0") == bytes(frames[0]).rstrip(b"\0")


def test_what_waits_to_be_compressed_still_does_and_what_it_was_stays_known(parts: Parts, start: Start) -> None:
    uid = new_uid()
    data = image(uid, side=64)
    service = replace(parts.service, compression=CompressionRules({"CT": "jpeg-ls-lossless"}))
    service.store(Expected(EXPLICIT_VR_LITTLE_ENDIAN, CT, uid, "SENDER"), [data])
    change = start(parts)
    change.do(correct(PatientRef("ATTACK"), PatientName="Demo^Corrected"))
    (waiting,) = parts.index.awaiting_compression(2)
    assert waiting.stored == parts.index.lookup(uid)
    assert waiting.original is not None
    with closing(WorkerPool(1, WorkerSettings())) as pool:
        compressor = Compressor(FrameService(parts.index, parts.blobs), parts.blobs, pool, flush=True)
        compressed = compressor.compress(waiting)
    assert compressed.record.original == waiting.original
    change.replacement.replace([compressed])
    assert kept(parts, uid).PatientName == "Demo^Corrected"
    change.do(correct(PatientRef("ATTACK"), PatientName="Demo^Again"))
    row = parts.index.lookup(uid)
    assert row is not None
    assert row.transfer_syntax_uid == JPEG_LS
    assert store(parts, data, EXPLICIT_VR_LITTLE_ENDIAN) == uid
    assert kept(parts, uid).PatientName == "Demo^Again"


def test_two_verifiers_find_nothing_wrong_with_what_was_corrected(parts: Parts, start: Start, tmp_path: Path) -> None:
    uids = [store(parts, *opened_file(file)) for file in demo_files(2)]
    change = start(parts)
    change.do(correct(PatientRef("DEMO-CT"), PatientName="Demo^Größer", PatientID="NEW", PatientSex="F"))
    change.do(ChangeRequest(ChangeKind.MERGE, PatientRef("DEMO-MR"), into=PatientRef("DEMO-US"), reason="r"))
    written = []
    for number, uid in enumerate(uids):
        path = tmp_path / f"{number}.dcm"
        kept(parts, uid).save_as(path)
        report = verified("dciodvfy", path)
        assert "Error" not in report, report
        written.append(path)
    assert "Error" not in verified("dcentvfy", *written)


def opened_file(file: bytes) -> tuple[bytes, str]:
    """Return the data set and the transfer syntax of a file."""
    meta, start = decode_file_meta(file)
    return file[start:], meta.transfer_syntax_uid


def verified(name: str, *files: Path) -> str:
    """Return what a verifier of dicom3tools says."""
    if shutil.which(name) is None:
        missing(f"{name} is missing: apt-get install dicom3tools")
    report = subprocess.run([name, *map(str, files)], capture_output=True, text=True, timeout=60, check=False)
    return report.stdout + report.stderr


def test_all_real_objects_of_one_patient_are_corrected(opened: Open, start: Start) -> None:
    parts = opened(replace=True)
    uids = []
    for path in real_files():
        if path.name not in BROKEN:
            meta, data = real_dataset(path)
            try:
                uids.append(store(parts, with_uids(data, meta.transfer_syntax_uid), meta.transfer_syntax_uid))
            except Exception:  # noqa: S112 - what is refused is no matter here
                continue
    change, seen = start(parts), set()
    for uid in dict.fromkeys(uids):
        study = str(kept(parts, uid).get("StudyInstanceUID"))
        if study not in seen:
            seen.add(study)
            trail = change.do(correct(PatientRef(study_instance_uid=study), PatientName="Demo^Имя"))
            assert trail.change.failed == 0, trail.studies
    assert len(seen) > 20
    for uid in set(uids):
        assert str(kept(parts, uid).PatientName) == "Demo^Имя", uid
    assert rows(parts) == received_fresh(parts, opened("fresh"))


def _pixel_bytes(parts: Parts, uid: str) -> bytes:
    """Return the pixel element as it is stored and what follows, inflated."""
    frames, row = FrameService(parts.index, parts.blobs), parts.index.lookup(uid)
    assert row is not None
    if frames.pixel(row) is None:
        return b""
    found = kept(parts, uid)
    return bytes(found.PixelData)


def _elements(dataset: Dataset, left_out: set[int]) -> dict[int, str]:
    return {
        int(one.tag): f"{one.VR} {one.value}" for one in dataset if int(one.tag) not in left_out and one.tag.element
    }
