"""What a receiver does not take as it is stored reaches it in a transfer syntax that it takes, and nothing is lost."""

from pathlib import Path

import numpy as np
import pydicom
import pytest

from archimage.dicom.codecs.syntaxes import DECODABLE, IMPLICIT_LITTLE_ENDIAN, JPEG_2000_LOSSLESS, LOSSY_JPEG, NATIVE
from archimage.dicom.pixels import PixelDescription, decode_frame
from archimage.net.blocking import Client
from archimage.net.client import OutgoingInstance
from archimage.net.proposals import for_storage
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.wire import CT
from tests.interop.peers import Archive, Sample, run, storescp

VIDEO = "1.2.840.10008.1.2.4.102"


@pytest.fixture(scope="module")
def kept(samples: list[Sample]) -> list[Sample]:
    """Real files that the archive takes, smaller ones alone: what they hold is looked at frame by frame."""
    return [sample for sample in samples if sample.study_instance_uid and len(sample.dataset) < 4 << 20]


@pytest.fixture(scope="module")
def filled(archive: Archive, kept: list[Sample]) -> Archive:
    """Our server, holding the files."""
    contexts = for_storage(sample.pair for sample in kept)
    with Client("FILLER") as client, client.connect(archive.node, contexts) as association:
        assert {association.store(sample.outgoing) for sample in kept} == {0}
    return archive


@pytest.fixture(scope="module")
def moved(filled: Archive, kept: list[Sample], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Everything that storescp was sent, taking nothing but implicit VR little endian, by SOP Instance UID."""
    folder = tmp_path_factory.mktemp("moved") / "in"
    node = filled.node
    with storescp(filled.destination, folder, "+xi"):
        for study in {sample.study_instance_uid for sample in kept}:
            keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]
            peer = ("-aec", node.ae_title, node.host, node.port)
            run("movescu", "-S", *keys, "-aem", filled.destination.ae_title, *peer)
    return {str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID): path for path in folder.iterdir()}


def pixels_of(path: Path) -> list[np.ndarray]:
    """Decode every frame as pydicom finds it."""
    found = pydicom.dcmread(path)
    syntax = str(found.file_meta.TransferSyntaxUID)
    description = PixelDescription.of(found, found["PixelData"].VR, 0x7FE00010)
    if syntax in NATIVE:
        size = description.frame_bytes
        frames = [found.PixelData[n * size : (n + 1) * size] for n in range(description.number_of_frames)]
    else:
        frames = list(pydicom.encaps.generate_frames(found.PixelData, number_of_frames=description.number_of_frames))
    return [decode_frame(frame, syntax, description)[0] for frame in frames]


def test_movescu_has_every_real_object_sent(moved: dict[str, Path], kept: list[Sample]) -> None:
    assert moved.keys() == {sample.sop_instance_uid for sample in kept}


def test_movescu_has_compressed_images_sent_decoded(moved: dict[str, Path], kept: list[Sample]) -> None:
    compressed = [sample for sample in kept if sample.pair[1] in DECODABLE - NATIVE]
    assert len({sample.pair[1] for sample in compressed}) >= 6
    for sample in compressed:
        after = pydicom.dcmread(moved[sample.sop_instance_uid])
        assert after.file_meta.TransferSyntaxUID == IMPLICIT_LITTLE_ENDIAN
        for one, other in zip(pixels_of(sample.path), pixels_of(moved[sample.sop_instance_uid]), strict=True):
            np.testing.assert_array_equal(one, other)
        if sample.pair[1] in LOSSY_JPEG:
            assert after.LossyImageCompression == "01"


def test_getscu_brings_a_compressed_image_decoded(filled: Archive, kept: list[Sample], tmp_path: Path) -> None:
    sample = next(sample for sample in kept if sample.pair[1] == JPEG_2000_LOSSLESS)
    node = filled.node
    keys = ["-k", "QueryRetrieveLevel=IMAGE", "-k", f"SOPInstanceUID={sample.sop_instance_uid}"]
    answer = run("getscu", "-v", "-S", "+B", *keys, "-od", tmp_path, "-aec", node.ae_title, node.host, node.port)
    assert "Received C-GET Response (Success)" in answer.stdout, answer.stdout
    (path,) = tmp_path.iterdir()
    for one, other in zip(pixels_of(sample.path), pixels_of(path), strict=True):
        np.testing.assert_array_equal(one, other)


def test_getscu_is_told_which_object_cannot_be_had_in_what_it_takes(filled: Archive, tmp_path: Path) -> None:
    uid = new_uid()
    video = dataset(uid, transfer_syntax_uid=VIDEO)
    contexts = for_storage([(CT, VIDEO)])
    with Client("FILLER") as client, client.connect(filled.node, contexts) as association:
        assert association.store(OutgoingInstance(CT, uid, VIDEO, memoryview(video))) == 0
    node = filled.node
    keys = ["-k", "QueryRetrieveLevel=IMAGE", "-k", f"SOPInstanceUID={uid}"]
    answer = run("getscu", "-d", "-S", *keys, "-od", tmp_path, "-aec", node.ae_title, node.host, node.port)
    assert "0xa702" in answer.stdout.lower()
    assert f"[{uid}" in answer.stdout
    assert not list(tmp_path.iterdir())
