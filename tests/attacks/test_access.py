"""Peers that ask for more than the access policy lets them: who may associate, ask, find, retrieve, send and store."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from archimage.dicom.encode import encode_elements
from archimage.protocol.command import CommandField
from archimage.protocol.items import RoleSelection
from archimage.protocol.pdu import AssociateReject, AssociateRequest
from archimage.protocol.status import Status
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN, STUDY_ROOT_MOVE
from tests.attacks.datasets import (
    PATIENT_ID,
    SERIES_INSTANCE_UID,
    STUDY_INSTANCE_UID,
    dataset,
    identifier,
    new_uid,
    one_image,
)
from tests.attacks.server import Server, running, wait_until
from tests.attacks.trail import is_told, told
from tests.attacks.wire import CT, MOVE_CONTEXT, QUERY_CONTEXTS, Peer, request

_WITHIN_S: Final = 10.0
_MODALITY: Final = 0x00080060
_POLICY: Final = """
[[rule]]
name = "One does everything"
ae_titles = ["ALL"]
addresses = ["127.0.0.1"]
allow = ["all"]

[[rule]]
name = "Another looks at one patient, and sends him to one place"
ae_titles = ["LIMITED"]
patients = ["HERS"]
destinations = ["NEAR"]
allow = ["store", "query", "retrieve", "move-to"]

[[rule]]
name = "A scanner stores CT and has nothing else to do here"
ae_titles = ["SCANNER"]
modalities = ["CT"]
allow = ["echo", "store"]

[[rule]]
name = "Somebody from elsewhere"
ae_titles = ["REMOTE"]
addresses = ["192.0.2.0/24"]
allow = ["all"]
"""
_HERS: Final = "1.2.826.0.1.3680043.8.499.11"
_HIS: Final = "1.2.826.0.1.3680043.8.499.12"


def _object(uid: str, study: str, patient: str, modality: str = "CT", *, series: str = "", pixels: int = 64) -> bytes:
    replaced = {
        STUDY_INSTANCE_UID: study.encode(),
        SERIES_INSTANCE_UID: (series or new_uid()).encode(),
        PATIENT_ID: patient.encode(),
        _MODALITY: modality.encode(),
    }
    return dataset(uid, replaced=replaced, pixels=bytes(pixels))


def _asking(calling: str) -> AssociateRequest:
    roles = (RoleSelection(CT, scu_role=True, scp_role=True),)
    return request(QUERY_CONTEXTS, calling=calling, roles=roles)


def _store(server: Server, calling: str, uid: str, data: bytes) -> int:
    with Peer.associated(server.port, _asking(calling)) as peer:
        status = peer.store(uid, data)
        peer.release()
        return status


def _written(uid: str) -> str:
    """Write a UID as the details of an audit message have it."""
    return base64.b64encode(uid.encode()).decode()


@pytest.fixture(scope="module")
def objects() -> dict[str, str]:
    """SOP Instance UIDs of what is kept, by whose it is."""
    return {"HERS": new_uid(), "HIS": new_uid()}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, objects: dict[str, str]) -> Iterator[Server]:
    """A server with a policy, and an object of two patients each."""
    directory = tmp_path_factory.mktemp("access") / "data"
    directory.mkdir(parents=True)
    (directory / "access.toml").write_text(_POLICY, "utf-8")
    with running(directory, settings={"nodes": "NEAR=127.0.0.1:1,FAR=127.0.0.1:1"}) as server:
        for patient, study in (("HERS", _HERS), ("HIS", _HIS)):
            assert _store(server, "ALL", objects[patient], _object(objects[patient], study, patient)) == 0
        yield server


@pytest.mark.parametrize("calling", ["STRANGER", "REMOTE"])
def test_whom_no_rule_lets_do_anything_is_rejected_and_told(server: Server, calling: str) -> None:
    with Peer(server.port) as peer:
        assert peer.associate(request(calling=calling)) == AssociateReject(1, 1, 3)
    assert is_told(server, "110113", f"AETITLES={calling}", "may do nothing", "127.0.0.1")
    assert f"'{calling}' from 127.0.0.1 may do nothing" in server.log


def test_what_is_not_permitted_is_answered_0124_and_told(server: Server, objects: dict[str, str]) -> None:
    study = identifier("STUDY", {STUDY_INSTANCE_UID: ("UI", _HERS.encode())})
    with Peer.associated(server.port, _asking("SCANNER")) as peer:
        assert peer.echo() == Status.SUCCESS
        assert peer.find(study) == ([], Status.NOT_AUTHORISED)
        assert peer.get(one_image(objects["HERS"])) == ([], Status.NOT_AUTHORISED)
        assert peer.move(study, "NEAR") == Status.NOT_AUTHORISED
        peer.release()
    with Peer.associated(server.port, _asking("LIMITED")) as peer:
        assert peer.echo() == Status.NOT_AUTHORISED
    for operation in ("query", "retrieve"):
        assert is_told(server, "110113", f"{operation} was refused", "AETITLES=SCANNER", "127.0.0.1")
    assert is_told(server, "110113", "echo was refused", "AETITLES=LIMITED")
    assert not told(server, "110102", "AETITLES=SCANNER")


def test_the_answer_says_why(server: Server) -> None:
    study = identifier("STUDY", {STUDY_INSTANCE_UID: ("UI", _HIS.encode())})
    with Peer.associated(server.port, _asking("LIMITED")) as peer:
        peer.ask(CommandField.C_MOVE_RQ, MOVE_CONTEXT, STUDY_ROOT_MOVE, study, move_destination="FAR")
        command, _ = peer.response()
    assert command.error_comment == "LIMITED may not have anything sent to FAR"


def test_what_may_not_be_seen_is_not_found(server: Server) -> None:
    every = identifier("STUDY", {STUDY_INSTANCE_UID: ("UI", b""), PATIENT_ID: ("LO", b"")})
    found = {}
    for calling in ("ALL", "LIMITED"):
        with Peer.associated(server.port, _asking(calling)) as peer:
            matches, status = peer.find(every)
            assert status == Status.SUCCESS
            found[calling] = {uid for uid in (_HERS, _HIS) if any(uid.encode() in match for match in matches)}
    assert found == {"ALL": {_HERS, _HIS}, "LIMITED": {_HERS}}


def test_what_may_not_be_seen_is_not_sent(server: Server, objects: dict[str, str]) -> None:
    with Peer.associated(server.port, _asking("LIMITED")) as peer:
        came, status = peer.get(identifier("STUDY", {STUDY_INSTANCE_UID: ("UI", _HERS.encode())}))
        assert (len(came), status) == (1, Status.SUCCESS)
        his = identifier("STUDY", {STUDY_INSTANCE_UID: ("UI", _HIS.encode())})
        assert peer.get(his) == ([], Status.NOT_AUTHORISED)
        assert peer.get(one_image(objects["HIS"])) == ([], Status.NOT_AUTHORISED)
        both = identifier("STUDY", {STUDY_INSTANCE_UID: ("UI", f"{_HERS}\\{_HIS}".encode())})
        assert peer.get(both) == ([], Status.NOT_AUTHORISED)
        assert peer.move(his, "NEAR") == Status.NOT_AUTHORISED
        absent = identifier("STUDY", {STUDY_INSTANCE_UID: ("UI", b"1.2.3.4.5.6.7.8.9")})
        assert peer.get(absent) == ([], Status.SUCCESS)
    assert is_told(server, "110113", "lies outside of what you may see", "AETITLES=LIMITED")


def test_destinations_are_those_of_the_policy_and_of_the_settings(server: Server) -> None:
    hers = identifier("STUDY", {STUDY_INSTANCE_UID: ("UI", _HERS.encode())})
    with Peer.associated(server.port, _asking("LIMITED")) as peer:
        assert peer.move(hers, "FAR") == Status.NOT_AUTHORISED
        assert peer.move(hers, "NOWHERE") == Status.NOT_AUTHORISED
        assert peer.move(hers, "NEAR") == Status.UNABLE_TO_PERFORM_SUBOPERATIONS  # nobody listens there
    with Peer.associated(server.port, _asking("ALL")) as peer:
        assert peer.move(hers, "NOWHERE") == Status.MOVE_DESTINATION_UNKNOWN
    assert is_told(server, "110113", "sent to FAR", "AETITLES=LIMITED")


@pytest.mark.parametrize("pixels", [64, 1 << 20], ids=["small", "large"])
@pytest.mark.parametrize(
    ("calling", "study", "patient", "modality"),
    [("LIMITED", "", "HERS", "CT"), ("LIMITED", _HERS, "HERS", "MR"), ("SCANNER", _HIS, "HIS", "CT")],
)
def test_an_object_is_kept_where_its_sender_may_store(
    server: Server, calling: str, study: str, patient: str, modality: str, pixels: int
) -> None:
    uid = new_uid()
    data = _object(uid, study or new_uid(), patient, modality, pixels=pixels)
    assert _store(server, calling, uid, data) == Status.SUCCESS
    assert uid in {row.sop_instance_uid for row in server.rows()}


@pytest.mark.parametrize("pixels", [64, 1 << 20], ids=["small", "large"])
@pytest.mark.parametrize(
    ("calling", "study", "patient", "modality"),
    [
        ("LIMITED", "", "HIS", "CT"),
        ("LIMITED", _HIS, "HERS", "CT"),
        ("LIMITED", _HERS, "HIS", "CT"),
        ("SCANNER", "", "HIS", "MR"),
    ],
)
def test_an_object_is_refused_where_its_sender_may_not_store(
    server: Server, calling: str, study: str, patient: str, modality: str, pixels: int
) -> None:
    uid = new_uid()
    data = _object(uid, study or new_uid(), patient, modality, pixels=pixels)
    assert _store(server, calling, uid, data) == Status.NOT_AUTHORISED
    assert uid not in {row.sop_instance_uid for row in server.rows()}
    assert wait_until(lambda: not server.incoming(), 5.0)
    assert is_told(server, "110104", _written(uid), f"AETITLES={calling}", "127.0.0.1", "outside of what you may store")


def test_an_object_of_another_series_or_in_the_place_of_another_is_not_kept(
    server: Server, objects: dict[str, str]
) -> None:
    uid, kept = new_uid(), server.rows()
    magnetic = f"{_HERS}.77"
    assert _store(server, "ALL", uid, _object(uid, _HERS, "HERS", "MR", series=magnetic)) == 0
    other = new_uid()
    into_series = _object(other, _HERS, "HERS", "CT", series=magnetic)
    assert _store(server, "SCANNER", other, into_series) == Status.NOT_AUTHORISED
    in_place = _object(objects["HIS"], new_uid(), "HERS")
    assert _store(server, "LIMITED", objects["HIS"], in_place) == Status.NOT_AUTHORISED
    assert len(server.rows()) == len(kept) + 1


def test_who_may_not_store_stores_nothing_and_is_told_once(server: Server, tmp_path: Path) -> None:
    policy = server.directory / "access.toml"
    uids = [new_uid() for _ in range(5)]
    before = len(server.rows())
    aside = tmp_path / "access.toml"
    aside.write_text(_POLICY + '[[rule]]\nname = "Asks only"\nae_titles = ["ASKER"]\nallow = ["echo"]\n', "utf-8")
    policy.write_bytes(aside.read_bytes())
    try:
        assert wait_until(lambda: _may_associate(server, "ASKER"), _WITHIN_S)
        with Peer.associated(server.port, _asking("ASKER")) as peer:
            assert {peer.store(uid, _object(uid, _HERS, "HERS")) for uid in uids} == {Status.NOT_AUTHORISED}
            peer.release()
    finally:
        policy.write_text(_POLICY, "utf-8")
    assert len(server.rows()) == before
    assert is_told(server, "110104", _written(uids[0]), _written(uids[4]), "AETITLES=ASKER", "may not store anything")


def _may_associate(server: Server, calling: str) -> bool:
    with Peer(server.port) as peer:
        return not isinstance(peer.associate(request(calling=calling)), AssociateReject)


def test_an_object_that_is_not_permitted_is_read_to_its_end(server: Server) -> None:
    with Peer.associated(server.port, _asking("LIMITED")) as peer:
        for _ in range(2):
            uid = new_uid()
            elements = encode_elements([(0x00080018, "UI", uid.encode())], EXPLICIT_VR_LITTLE_ENDIAN)
            assert peer.store(uid, elements) != Status.SUCCESS
            mine = new_uid()
            assert peer.store(mine, _object(mine, _HERS, "HERS")) == Status.SUCCESS
