"""Objects without a patient, stored, found and retrieved by pynetdicom; and by our own commands."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.dsutils import encode

from archimage.protocol import uids
from archimage.protocol.items import PresentationContext
from archimage.protocol.roots import OBJECT_ROOTS, ObjectRoot
from archimage.services.objects import MAX_OBJECT_BYTES
from tests.attacks.server import Server, running
from tests.attacks.wire import Peer, request
from tests.interop.committing import Asker, ask, asking
from tests.interop.peers import free_port

_HANGING: Final = "1.2.840.10008.5.1.4.38.1"
_PALETTE: Final = "1.2.840.10008.5.1.4.39.1"
_DESTINATION: Final = "DESTINATION"
_CONTEXT: Final = 1


@pytest.fixture(scope="module")
def port() -> int:
    """Where the destination of C-MOVE listens."""
    return free_port()


@pytest.fixture(scope="module")
def server(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Our server."""
    option = f"{_DESTINATION}=127.0.0.1:{port}"
    with running(tmp_path_factory.mktemp("objects") / "data", ["--node", option]) as server:
        yield server


def _object(sop_class: str = _HANGING, name: str = "Demo") -> Dataset:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID, made.SOPInstanceUID = sop_class, generate_uid()
    made.Modality = "OT"
    made.HangingProtocolName = name
    made.HangingProtocolLevel = "SITE"
    step = Dataset()
    step.Modality = "MG"
    step.Laterality = "L"
    made.HangingProtocolDefinitionSequence = [step]
    if sop_class == _PALETTE:
        made.RedPaletteColorLookupTableDescriptor = [65_535, 0, 16]
        made.RedPaletteColorLookupTableData = bytes(65_535 * 2)
    return made


def _associate(server: Server, *sop_classes: str, received: list[Dataset] | None = None) -> Association:
    ae = AE("WORKSTATION")
    roles: Any = []
    for uid in sop_classes:
        ae.add_requested_context(uid, ExplicitVRLittleEndian)
    if received is not None:
        for uid in uids.NON_PATIENT_STORAGE_SOP_CLASSES:
            ae.add_requested_context(uid, ExplicitVRLittleEndian)
            roles.append(build_role(uid, scp_role=True, scu_role=True))
    handlers: Any = [(evt.EVT_C_STORE, lambda event: _receive(event, received))]
    association = ae.associate("127.0.0.1", server.port, ae_title="PACS_SCP", ext_neg=roles, evt_handlers=handlers)
    assert association.is_established
    return association


def _receive(event: Any, received: list[Dataset] | None) -> int:
    assert received is not None
    received.append(event.dataset)
    return 0


def _store(server: Server, *objects: Dataset) -> list[int]:
    association = _associate(server, *{str(one.SOPClassUID) for one in objects})
    statuses = [int(association.send_c_store(one).Status) for one in objects]
    association.release()
    return statuses


def _find(server: Server, root: ObjectRoot, **keys: Any) -> list[Dataset]:
    asked = Dataset()
    for keyword, value in keys.items():
        setattr(asked, keyword, value)
    association = _associate(server, root.find)
    answers = list(association.send_c_find(asked, root.find))
    association.release()
    assert answers[-1][0].Status == 0
    return [found for _, found in answers[:-1] if found is not None]


def _call(server: Server, path: str, method: str = "GET") -> tuple[int, Any]:
    with closing(HTTPConnection("127.0.0.1", server.http_port, timeout=20)) as connection:
        connection.request(method, f"/api/v1{path}")
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text else None


def test_an_object_is_kept_once_and_another_one_of_its_uid_is_refused(server: Server) -> None:
    made = _object()
    assert _store(server, made, made) == [0, 0]
    made.HangingProtocolName = "Other"
    assert _store(server, made) == [0x0111]
    assert _call(server, f"/objects/{made.SOPInstanceUID}")[1]["summary"]["title"] == "Demo"


def test_an_object_that_is_none_is_refused(server: Server) -> None:
    made = _object()
    data = encode(made, is_implicit_vr=False, is_little_endian=True)
    assert data is not None
    contexts = [PresentationContext(_CONTEXT, _HANGING, (uids.EXPLICIT_VR_LITTLE_ENDIAN,))]
    with Peer.associated(server.port, request(contexts)) as peer:
        store = partial(peer.store, sop_class_uid=_HANGING, context_id=_CONTEXT)
        assert store("1.2.3", data) == 0xA900
        assert store(made.SOPInstanceUID, data[:-3]) == 0xC000
        assert store(made.SOPInstanceUID, bytes(MAX_OBJECT_BYTES + 1)) == 0xA700
        assert store(made.SOPInstanceUID, data) == 0
        peer.release()


@pytest.mark.parametrize("root", OBJECT_ROOTS, ids=lambda root: root.name)
def test_objects_of_every_root_are_found_and_retrieved(server: Server, root: ObjectRoot, port: int) -> None:
    kept = [_object(uid, f"Of {root.name}") for uid in root.stored]
    stray = _object(_HANGING if root.stored != (_HANGING,) else _PALETTE, f"Of {root.name}")
    assert _store(server, *kept, stray) == [0] * (len(kept) + 1)
    found = _find(server, root, HangingProtocolName=f"Of {root.name}*", SOPInstanceUID="", RetrieveAETitle="")
    assert {one.SOPInstanceUID for one in found} == {one.SOPInstanceUID for one in kept}
    assert {one.RetrieveAETitle for one in found} == {"PACS_SCP"}
    wanted = Dataset()
    wanted.SOPInstanceUID = [one.SOPInstanceUID for one in (*kept, stray)]
    received: list[Dataset] = []
    association = _associate(server, root.get, received=received)
    *_, (final, _) = association.send_c_get(wanted, root.get)
    association.release()
    assert (final.Status, {one.SOPInstanceUID for one in received}) == (0, {one.SOPInstanceUID for one in kept})
    moved: list[Dataset] = []
    ae = AE(_DESTINATION)
    for uid in uids.NON_PATIENT_STORAGE_SOP_CLASSES:
        ae.add_supported_context(uid, ExplicitVRLittleEndian)
    handlers: Any = [(evt.EVT_C_STORE, lambda event: _receive(event, moved))]
    listener: Any = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    association = _associate(server, root.move)
    *_, (final, _) = association.send_c_move(wanted, _DESTINATION, root.move)
    association.release()
    listener.shutdown()
    assert (final.Status, [one.HangingProtocolName for one in moved]) == (0, [f"Of {root.name}"] * len(kept))


def test_what_stands_in_sequences_is_matched_too(server: Server) -> None:
    made = _object(name="Sides")
    assert _store(server, made) == [0]
    side = Dataset()
    side.Laterality = "L"
    (root, *_) = OBJECT_ROOTS
    assert len(_find(server, root, HangingProtocolName="Sides", HangingProtocolDefinitionSequence=[side])) == 1
    side.Laterality = "R"
    assert _find(server, root, HangingProtocolName="Sides", HangingProtocolDefinitionSequence=[side]) == []


def test_an_object_is_listed_and_deleted(server: Server) -> None:
    made = _object(_PALETTE, "To go")
    assert _store(server, made) == [0]
    _, found = _call(server, "/objects?root=color-palette")
    assert made.SOPInstanceUID in {one["sop_instance_uid"] for one in found}
    assert _call(server, f"/objects/{made.SOPInstanceUID}", "DELETE")[0] == 204
    assert _call(server, f"/objects/{made.SOPInstanceUID}", "DELETE")[0] == 404
    assert _call(server, f"/objects/{made.SOPInstanceUID}")[0] == 404


def test_they_are_committed_to(server: Server) -> None:
    made, asker = _object(name="To rely on"), Asker("WORKSTATION")
    assert _store(server, made) == [0]
    with asker.associated(server.port) as association:
        assert ask(association, asking((_HANGING, made.SOPInstanceUID), (_PALETTE, "1.2.3"))) == 0
        event, told = asker.told()
    assert (event, [one.ReferencedSOPInstanceUID for one in told.ReferencedSOPSequence]) == (2, [made.SOPInstanceUID])
    assert [one.FailureReason for one in told.FailedSOPSequence] == [0x0112]


def test_our_commands_store_and_find_them(server: Server, tmp_path: Path) -> None:
    made = _object(name="By command")
    file = tmp_path / "hanging.dcm"
    made.file_meta.MediaStorageSOPClassUID = UID(_HANGING)
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.save_as(file, enforce_file_format=True)
    where = ["127.0.0.1", str(server.port), "--json"]
    command = [sys.executable, "-m", "archimage"]
    stored = subprocess.run([*command, "store", *where, file], capture_output=True, check=True, timeout=60)
    assert json.loads(stored.stdout)["stored"] == 1
    keys = ["--model", "hanging-protocol", "-k", "HangingProtocolName=By*", "-k", "SOPInstanceUID"]
    found = subprocess.run([*command, "find", *where, *keys], capture_output=True, check=True, timeout=60)
    assert [one["SOPInstanceUID"] for one in json.loads(found.stdout)] == [made.SOPInstanceUID]
