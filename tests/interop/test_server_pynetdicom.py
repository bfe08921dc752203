"""pynetdicom's SCUs query and retrieve from our server."""

import time
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from archimage.net.blocking import Client
from archimage.net.proposals import for_storage
from archimage.protocol import uids
from tests.interop.peers import Archive, Sample


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


def _associate(archive: Archive, ae: AE, **more: Any) -> Association:
    node = archive.node
    association = ae.associate(node.host, node.port, ae_title=node.ae_title, **more)
    assert association.is_established
    return association


def _identifier(level: str, **keys: str) -> Dataset:
    dataset = Dataset()
    dataset.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(dataset, keyword, value)
    return dataset


def test_find_answers_every_key_that_was_asked(filled: Archive, kept: list[Sample]) -> None:
    ae = AE()
    ae.add_requested_context(uids.PATIENT_ROOT_FIND)
    association = _associate(filled, ae)
    query = _identifier("STUDY", PatientID="", StudyInstanceUID="", NumberOfStudyRelatedInstances="", StudyDate="")
    answers = list(association.send_c_find(query, uids.PATIENT_ROOT_FIND))
    association.release()
    assert answers[-1][0].Status == 0
    found = {match.StudyInstanceUID: match for _, match in answers[:-1] if match is not None}
    assert found.keys() == {sample.study_instance_uid for sample in kept}
    assert sum(int(match.NumberOfStudyRelatedInstances or 0) for match in found.values()) == len(kept)


@pytest.mark.parametrize(
    ("proposed", "agreed", "finds"), [(b"\0\0\1", b"\0\0\1", True), (b"\1\1\0\1", b"\1\1\0\0", False)]
)
def test_find_matches_names_as_extended_negotiation_agreed(
    filled: Archive, proposed: bytes, agreed: bytes, finds: bool
) -> None:
    ae = AE()
    ae.add_requested_context(uids.STUDY_ROOT_FIND)
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid = uids.STUDY_ROOT_FIND
    item.service_class_application_information = proposed
    association = _associate(filled, ae, ext_neg=[item])
    assert association.acceptor.sop_class_extended == {uids.STUDY_ROOT_FIND: agreed}
    query = _identifier("STUDY", PatientName="ct1 compressedsamples", StudyInstanceUID="")
    answers = list(association.send_c_find(query, uids.STUDY_ROOT_FIND))
    association.release()
    assert answers[-1][0].Status == 0
    assert (len(answers) > 1) is finds


def test_find_is_cancelled_within_a_second(filled: Archive) -> None:
    ae = AE()
    ae.add_requested_context(uids.STUDY_ROOT_FIND)
    association = _associate(filled, ae)
    answers = association.send_c_find(_identifier("STUDY", StudyInstanceUID=""), uids.STUDY_ROOT_FIND, msg_id=7)
    next(answers)
    began = time.monotonic()
    association.send_c_cancel(7, query_model=uids.STUDY_ROOT_FIND)
    *_, last = answers
    association.release()
    assert time.monotonic() - began < 1
    assert last[0].Status in {0xFE00, 0}  # all may have been sent before the cancel came


def test_get_brings_every_compressed_object_bit_for_bit(filled: Archive, kept: list[Sample]) -> None:
    wanted = [sample for sample in kept if sample.pair[1].startswith("1.2.840.10008.1.2.4")]
    received: dict[str, bytes] = {}

    def keep(event: evt.Event) -> int:
        request: Any = event.request
        received[request.AffectedSOPInstanceUID] = request.DataSet.getvalue()
        return 0

    ae = AE()
    ae.add_requested_context(uids.STUDY_ROOT_GET)
    roles = []
    for sop_class, syntax in dict.fromkeys(sample.pair for sample in wanted):
        ae.add_requested_context(sop_class, syntax)
        roles.append(build_role(sop_class, scp_role=True))
    association = _associate(filled, ae, ext_neg=roles, evt_handlers=[(evt.EVT_C_STORE, keep)])
    taken = {(c.abstract_syntax, c.transfer_syntax[0]) for c in association.accepted_contexts}
    uids_wanted = [sample.sop_instance_uid for sample in wanted]
    answers = list(
        association.send_c_get(_identifier("IMAGE", SOPInstanceUID="\\".join(uids_wanted)), uids.STUDY_ROOT_GET)
    )
    association.release()
    expected = {sample.sop_instance_uid: sample.dataset for sample in wanted if sample.pair in taken}
    assert expected
    assert received == expected
    final = answers[-1][0]
    assert final.NumberOfCompletedSuboperations == len(expected)
    assert final.NumberOfFailedSuboperations == len(wanted) - len(expected)
