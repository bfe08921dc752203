"""Orthanc in both directions: it takes, sends, queries and moves; we do the same to it."""

from collections.abc import Iterator

import pydicom
import pytest

from archimage.dicom.part10 import encode_file_meta
from archimage.dicom.scan import scan
from archimage.net.blocking import Client
from archimage.net.proposals import UNCOMPRESSED, as_receiver, for_services, for_storage, propose
from archimage.protocol import uids
from tests.interop.orthanc import AE_TITLE, Orthanc, parse, run_orthanc, same
from tests.interop.peers import Memory, Sample, free_port, identifier, serve

_SOP_CLASS_UID = 0x00080016


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """Orthanc, which knows our archive as `archimage`, and our archive, which knows it; both empty."""
    folder = tmp_path_factory.mktemp("orthanc")
    port = free_port()
    with serve(folder / "data", "--node", f"{AE_TITLE}=127.0.0.1:{port}") as archive:
        known = {"DicomModalities": {"archimage": [archive.ae_title, archive.host, archive.port]}}
        with run_orthanc(folder, port, known) as orthanc:
            yield orthanc


@pytest.fixture(scope="module")
def images(samples: list[Sample]) -> list[Sample]:
    """Real files, two of each SOP class and transfer syntax; Orthanc does not read those that give UIDs the VR UN."""
    found: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        if sample.study_instance_uid and sample.pair[1] != uids.DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
            header = scan(sample.dataset, sample.pair[1], frozenset({_SOP_CLASS_UID}))
            if header.text(_SOP_CLASS_UID) == sample.pair[0] and header.found[_SOP_CLASS_UID][0] != "UN":
                found.setdefault(sample.pair, []).append(sample)
    return [sample for group in found.values() for sample in group[:2]]


def test_both_answer_the_other_s_echo(orthanc: Orthanc) -> None:
    assert orthanc.ask("/modalities/archimage/echo", {}) == {}
    with Client("ARCHIMAGE") as client, client.connect(orthanc.node, for_services(uids.VERIFICATION)) as association:
        assert association.echo() == 0


def test_what_orthanc_sends_us_it_finds_and_moves_back(orthanc: Orthanc, images: list[Sample]) -> None:
    kept = {orthanc.ask("/instances", sample.path.read_bytes())["ID"]: sample for sample in images}
    before = {resource: orthanc.dataset(resource) for resource in kept}
    sent = orthanc.ask("/modalities/archimage/store", {"Resources": list(kept), "Synchronous": True})
    assert (sent["InstancesCount"], sent["FailedInstancesCount"]) == (len(kept), 0)
    for resource in kept:
        orthanc.delete(resource)
    studies = {sample.study_instance_uid for sample in images}
    for study in studies:
        query = orthanc.ask(
            "/modalities/archimage/query", {"Level": "Study", "Query": {"StudyInstanceUID": study, "PatientName": ""}}
        )["ID"]
        assert orthanc.ask(f"/queries/{query}/answers") == ["0"]
        orthanc.ask(f"/queries/{query}/answers/0/retrieve", {"TargetAet": AE_TITLE, "Synchronous": True})
    assert set(orthanc.ask("/instances")) == kept.keys()
    assert [resource for resource in kept if not same(orthanc.dataset(resource), before[resource])] == []


def test_what_we_send_orthanc_we_find_and_get_back(orthanc: Orthanc, images: list[Sample]) -> None:
    contexts = for_storage(sample.pair for sample in images)
    with Client("ARCHIMAGE") as client:
        with client.connect(orthanc.node, contexts) as association:
            assert {association.store(sample.outgoing) for sample in images} == {0}
        memory = Memory()
        wanted: list[tuple[str, tuple[str, ...]]] = [
            (uid, UNCOMPRESSED) for uid in (uids.STUDY_ROOT_FIND, uids.STUDY_ROOT_GET)
        ]
        wanted += [(context.abstract_syntax, context.transfer_syntaxes) for context in contexts]
        with client.connect(orthanc.node, propose(wanted), as_receiver(contexts)) as association:
            for study in {sample.study_instance_uid for sample in images}:
                syntax = association.transfer_syntax(uids.STUDY_ROOT_FIND)
                asked = identifier("STUDY", syntax, StudyInstanceUID=study)
                assert len(list(association.find(uids.STUDY_ROOT_FIND, asked))) == 1
                *_, last = association.get(uids.STUDY_ROOT_GET, asked, memory.open)
                assert (last.status, last.failed) == (0, 0)
    assert memory.datasets.keys() >= {sample.sop_instance_uid for sample in images}
    changed = [
        sample.path.name
        for sample in images
        if not same(_decoded(memory.datasets[sample.sop_instance_uid], sample), _decoded(sample.dataset, sample))
    ]
    assert changed == []


def _decoded(dataset: bytes, sample: Sample) -> pydicom.Dataset:
    return parse(encode_file_meta(sample.meta) + dataset)
