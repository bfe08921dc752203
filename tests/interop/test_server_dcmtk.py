"""DCMTK's tools store to, query and retrieve from our server."""

from pathlib import Path

import pytest

from archimage.net.blocking import Client
from archimage.net.proposals import for_storage
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from tests.interop.peers import Archive, Sample, read_sample, run, serve, storescp


@pytest.fixture(scope="module")
def kept(samples: list[Sample]) -> list[Sample]:
    """Real files that the archive takes."""
    return [sample for sample in samples if sample.study_instance_uid]


@pytest.fixture(scope="module")
def filled(archive: Archive, kept: list[Sample]) -> Archive:
    """Our server, holding the files."""
    contexts = for_storage(sample.pair for sample in kept)
    with Client("FILLER") as client, client.connect(archive.node, contexts) as association:
        assert {association.store(sample.outgoing) for sample in kept} == {0}
    return archive


def _peer(archive: Archive) -> list[str | Path | int]:
    node = archive.node
    return ["-aec", node.ae_title, node.host, node.port]


def _received(folder: Path) -> dict[str, bytes]:
    received = (read_sample(path) for path in folder.iterdir())
    return {sample.sop_instance_uid: sample.dataset for sample in received if sample is not None}


def test_echoscu_is_answered(archive: Archive) -> None:
    assert run("echoscu", *_peer(archive)).returncode == 0


def test_a_wrong_called_title_is_rejected(archive: Archive) -> None:
    answer = run("echoscu", "-aec", "STRANGER", archive.node.host, archive.node.port)
    assert "Called AE Title Not Recognized" in answer.stdout


def test_storescu_may_send_the_same_object_twice(kept: list[Sample], tmp_path: Path) -> None:
    plain = next(sample for sample in kept if sample.pair[1] == EXPLICIT_VR_LITTLE_ENDIAN)
    with serve(tmp_path / "data") as node:
        for _ in range(2):
            answer = run("storescu", "-v", "-xe", "-aec", node.ae_title, node.host, node.port, plain.path)
            assert "Received Store Response (Success)" in answer.stdout


@pytest.mark.parametrize("level", ["STUDY", "SERIES", "IMAGE"])
def test_findscu_finds_what_is_stored_at_every_level(filled: Archive, kept: list[Sample], level: str) -> None:
    sample = kept[0]
    unique = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}[level]
    keys = ["-k", f"QueryRetrieveLevel={level}", "-k", f"StudyInstanceUID={sample.study_instance_uid}", "-k", unique]
    answer = run("findscu", "-v", "-S", *(keys if level != "STUDY" else keys[:4]), *_peer(filled))
    assert answer.stdout.count("(Pending") >= 1
    assert sample.study_instance_uid in answer.stdout
    if level == "IMAGE":
        assert sample.sop_instance_uid in answer.stdout


@pytest.mark.parametrize(
    ("model", "key"),
    [
        ("-P", "QueryRetrieveLevel=PATIENT"),
        ("-S", "QueryRetrieveLevel=STUDY"),
        ("-O", "QueryRetrieveLevel=PATIENT"),
        ("-O", "QueryRetrieveLevel=STUDY"),
    ],
)
def test_every_model_is_answered(filled: Archive, model: str, key: str) -> None:
    answer = run("findscu", "-v", model, "-k", key, "-k", "PatientID", "-k", "StudyInstanceUID", *_peer(filled))
    assert answer.stdout.count("(Pending") >= 1


@pytest.mark.parametrize(
    ("model", "keys"),
    [
        ("-S", ["QueryRetrieveLevel=PATIENT", "PatientID"]),
        ("-O", ["QueryRetrieveLevel=SERIES", "SeriesInstanceUID"]),
        ("-S", ["QueryRetrieveLevel=BODY", "PatientID"]),
        ("-S", ["QueryRetrieveLevel=STUDY", "StudyDate=20201399"]),
        ("-S", ["QueryRetrieveLevel=STUDY", "StudyInstanceUID=../../x"]),
    ],
)
def test_a_query_that_does_not_fit_is_refused(filled: Archive, model: str, keys: list[str]) -> None:
    arguments = [part for key in keys for part in ("-k", key)]
    answer = run("findscu", "-v", model, *arguments, *_peer(filled))
    assert "Received Final Find Response (Error: DataSetDoesNotMatchSOPClass)" in answer.stdout


def test_movescu_has_every_object_of_a_study_sent_bit_for_bit(
    filled: Archive, kept: list[Sample], tmp_path: Path
) -> None:
    studies = {sample.study_instance_uid for sample in kept}
    with storescp(filled.destination, tmp_path / "in", "+xa"):
        for study in studies:
            keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]
            answer = run("movescu", "-v", "-S", *keys, "-aem", filled.destination.ae_title, *_peer(filled))
            assert "Received Final Move Response (Success)" in answer.stdout, answer.stdout
    assert _received(tmp_path / "in") == {sample.sop_instance_uid: sample.dataset for sample in kept}


def test_movescu_to_a_stranger_is_refused(filled: Archive, kept: list[Sample]) -> None:
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={kept[0].study_instance_uid}"]
    answer = run("movescu", "-v", "-S", *keys, "-aem", "STRANGER", *_peer(filled))
    assert "MoveDestinationUnknown" in answer.stdout


def test_movescu_to_a_destination_that_is_off_reports_every_object(filled: Archive, kept: list[Sample]) -> None:
    keys = ["-k", "QueryRetrieveLevel=IMAGE", "-k", f"SOPInstanceUID={kept[0].sop_instance_uid}"]
    answer = run("movescu", "-d", "-S", *keys, "-aem", filled.destination.ae_title, *_peer(filled))
    assert "0xa702" in answer.stdout.lower()
    assert f"[{kept[0].sop_instance_uid}" in answer.stdout


def test_getscu_brings_an_uncompressed_object_bit_for_bit(filled: Archive, kept: list[Sample], tmp_path: Path) -> None:
    plain = next(sample for sample in kept if sample.pair[1] == EXPLICIT_VR_LITTLE_ENDIAN)
    keys = ["-k", "QueryRetrieveLevel=IMAGE", "-k", f"SOPInstanceUID={plain.sop_instance_uid}"]
    answer = run("getscu", "-v", "-S", "+B", *keys, "-od", tmp_path, *_peer(filled))
    assert "Received C-GET Response (Success)" in answer.stdout, answer.stdout
    assert _received(tmp_path) == {plain.sop_instance_uid: plain.dataset}


def test_getscu_of_nothing_succeeds(filled: Archive, tmp_path: Path) -> None:
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1.2.3.4.5"]
    answer = run("getscu", "-v", "-S", *keys, "-od", tmp_path, *_peer(filled))
    assert "Received C-GET Response (Success)" in answer.stdout
