"""A server that takes messages, asked by the client of the package `hl7`: what it answers, and what it does."""

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pydicom
import pytest

from archimage.dicom.encode import decode_identifier
from archimage.dicom.limits import DEFAULT_LIMITS
from archimage.hl7.framing import END, START
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from tests.attacks.datasets import (
    PATIENT_ID,
    PATIENT_NAME,
    SERIES_INSTANCE_UID,
    STUDY_INSTANCE_UID,
    dataset,
    identifier,
    new_uid,
)
from tests.attacks.server import Server, wait_until
from tests.attacks.wire import Peer, querying
from tests.hl7.asking import Asking
from tests.hl7.sending import RawPeer, code, connected, message, order, pid, port_of, result, segments, tell


def _store(server: Server, patient: str, name: str, **more: bytes) -> tuple[str, str]:
    """Store an object of a patient, in a study of its own; return the UIDs of both."""
    study, uid = new_uid(), new_uid()
    replaced = {
        PATIENT_ID: patient.encode(),
        PATIENT_NAME: name.encode(),
        STUDY_INSTANCE_UID: study.encode(),
        SERIES_INSTANCE_UID: f"{study}.1".encode(),
    }
    accession = more.get("accession", b"")
    with Peer.associated(server.port) as peer:
        data = dataset(uid, replaced=replaced, more=((0x00080050, "SH", accession),))
        assert peer.store(uid, data) == 0
        peer.release()
    return study, uid


def _found(server: Server, patient: str) -> dict[str, str]:
    """Return study UIDs and names that C-FIND tells of a patient."""
    keys = {PATIENT_ID: ("LO", patient.encode()), PATIENT_NAME: ("PN", b""), STUDY_INSTANCE_UID: ("UI", b"")}
    with Peer.associated(server.port, querying()) as peer:
        matches, _ = peer.find(identifier("STUDY", keys))
        peer.release()
    decoded = [decode_identifier(one, EXPLICIT_VR_LITTLE_ENDIAN, DEFAULT_LIMITS) for one in matches]
    return {str(one.StudyInstanceUID): str(one.PatientName) for one in decoded}


def _kept(server: Server, uid: str) -> pydicom.Dataset:
    """Read an object as it is stored."""
    (row,) = (row for row in server.rows() if row.sop_instance_uid == uid)
    return pydicom.dcmread(server.directory / "objects" / row.path)


def _changes_end(asking: Asking) -> None:
    assert wait_until(lambda: not [one for one in asking.get("/changes")["items"] if one["state"] == "running"], 20)


# Patients


def test_an_update_corrects_what_is_kept_and_the_objects_keep_what_they_had(hl7_server: Server, asking: Asking) -> None:
    study, uid = _store(hl7_server, "UP1", "Demo^Wrong")
    with connected(hl7_server) as client:
        answer = tell(client, message("ADT^A08", "UP-1", pid("UP1^^^HOSP", "Demo^Right^^^Dr", "19700131", "F")))
    assert code(answer) == "AA"
    _changes_end(asking)
    assert _found(hl7_server, "UP1") == {study: "Demo^Right^^Dr"}
    found = _kept(hl7_server, uid)
    assert (found.PatientName, found.PatientBirthDate, found.PatientSex) == ("Demo^Right^^Dr", "19700131", "F")
    (item,) = found.OriginalAttributesSequence
    assert item.ModifiedAttributesSequence[0].PatientName == "Demo^Wrong"
    assert item.ReasonForTheAttributeModification == "COERCE"
    change = asking.get("/changes")["items"][0]
    assert change["reason"].startswith("HL7 ADT^A08, message ")
    assert change["asker"] == {"address": "127.0.0.1", "user_agent": "HL7 HIS|HOSPITAL"}


def test_a_merge_gives_the_studies_of_one_patient_to_the_other(hl7_server: Server, asking: Asking) -> None:
    old_study, old = _store(hl7_server, "OLD1", "Demo^Anna")
    new_study, new = _store(hl7_server, "NEW1", "Demo^Anna Maria")
    with connected(hl7_server) as client:
        answer = tell(client, message("ADT^A40^ADT_A39", "ME-1", pid("NEW1", "Demo^Anna Maria"), "PV1|1", "MRG|OLD1"))
    assert code(answer) == "AA"
    _changes_end(asking)
    assert _found(hl7_server, "OLD1") == {}
    assert _found(hl7_server, "NEW1") == dict.fromkeys((old_study, new_study), "Demo^Anna Maria")
    found = _kept(hl7_server, old)
    assert (found.PatientID, found.PatientName) == ("NEW1", "Demo^Anna Maria")
    before = found.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert (before.PatientID, before.PatientName) == ("OLD1", "Demo^Anna")
    assert "OriginalAttributesSequence" not in _kept(hl7_server, new)


def test_merges_that_come_while_another_is_at_work_are_done_in_their_order(hl7_server: Server, asking: Asking) -> None:
    first, _ = _store(hl7_server, "CHAIN1", "Demo^One")
    second, _ = _store(hl7_server, "CHAIN2", "Demo^Two")
    third, _ = _store(hl7_server, "CHAIN3", "Demo^Three")
    with connected(hl7_server) as client:
        told = [
            tell(client, message("ADT^A40", f"CH-{number}", pid(into, ""), f"MRG|{patient}"))
            for number, (patient, into) in enumerate((("CHAIN1", "CHAIN2"), ("CHAIN2", "CHAIN3")))
        ]
        told.append(tell(client, message("ADT^A08", "CH-3", pid("CHAIN3", "Demo^Last"))))
    assert [code(one) for one in told] == ["AA", "AA", "AA"]
    expected = dict.fromkeys((first, second, third), "Demo^Last")
    assert wait_until(lambda: _found(hl7_server, "CHAIN3") == expected, 20), asking.get("/messages?state=failed")
    assert wait_until(lambda: not asking.get("/messages?state=waiting")["items"], 10)
    assert {one["priority"] for one in asking.get("/deliveries?kind=hl7-apply")} == {10}


def test_a_merge_into_a_patient_of_whom_nothing_is_kept_gives_the_other_identifier(
    hl7_server: Server, asking: Asking
) -> None:
    study, uid = _store(hl7_server, "RENAME1", "Demo^Anna")
    with connected(hl7_server) as client:
        assert code(tell(client, message("ADT^A34", "RE-1", pid("RENAME2^^^HOSP", "Demo^Anna"), "MRG|RENAME1"))) == "AA"
    _changes_end(asking)
    assert _found(hl7_server, "RENAME2") == {study: "Demo^Anna"}
    assert _kept(hl7_server, uid).IssuerOfPatientID == "HOSP"


def test_of_patients_of_whom_nothing_is_kept_nothing_is_remembered(hl7_server: Server, asking: Asking) -> None:
    with connected(hl7_server) as client:
        answer = tell(client, message("ADT^A04", "NO-1", pid("NOBODY")))
    assert answer["MSA"] == ["AA", "NO-1", "nothing of this patient is kept"]
    (found,) = [one for one in asking.get("/messages")["items"] if one["control_id"] == "NO-1"]
    assert (found["state"], found["attempts"], found["sender"]) == ("ignored", 1, "HIS|HOSPITAL")


def test_patients_are_linked_and_unlinked(hl7_server: Server, asking: Asking) -> None:
    both = (pid("LINK1^^^A"), pid("LINK2^^^B"))
    with connected(hl7_server) as client:
        assert code(tell(client, message("ADT^A24", "LI-1", *both))) == "AA"
        assert code(tell(client, message("ADT^A24", "LI-2", *reversed(both)))) == "AA"
        (link,) = asking.get("/patient-links?patient_id=LINK2&issuer_of_patient_id=B")
        assert link["one"] == {"patient_id": "LINK1", "issuer_of_patient_id": "A"}
        assert code(tell(client, message("ADT^A37", "LI-3", *both))) == "AA"
        assert asking.get("/patient-links?patient_id=LINK1&issuer_of_patient_id=A") == []
        answer = tell(client, message("ADT^A37", "LI-4", *both))
    assert code(answer) == "AE"
    assert answer["ERR"][2].startswith("204^")


# Orders and results


def test_an_order_is_what_a_modality_is_told(hl7_server: Server) -> None:
    if shutil.which("findscu") is None:
        pytest.skip("DCMTK is missing: apt-get install dcmtk")
    with connected(hl7_server) as client:
        assert code(tell(client, order("OR-1", accession="ACC71", patient="OR1^^^HOSP"))) == "AA"
    steps = "ScheduledProcedureStepSequence[0].Scheduled"
    asked = ["0010,0010", "0010,0020", "0010,0021", "0020,000d", "0032,1032", "0032,1060", "0040,1001"]
    asked += [f"{steps}StationAETitle=CT1", f"{steps}ProcedureStepStartDate=20261201"]
    asked += [f"{steps}ProcedureStepStartTime", f"{steps}ProcedureStepID"]
    command = ["findscu", "-v", "-W", "-aec", "PACS_SCP", "-k", "0008,0050=ACC71"]
    command += [part for key in asked for part in ("-k", key)]
    printed = subprocess.run(
        [*command, "127.0.0.1", str(hl7_server.port)], capture_output=True, text=True, timeout=20, check=True
    )
    told = printed.stdout + printed.stderr
    for value in ("Demo^Anna", "OR1", "HOSP", "1.2.3.71", "Doe^Jane", "Head CT", "RP1", "SPS1", "103000"):
        assert f"[{value}" in told, (value, told)


def test_an_order_is_changed_and_cancelled(hl7_server: Server, asking: Asking) -> None:
    def entry() -> dict[str, str]:
        (found,) = asking.get("/worklist?q=ACC72")["items"]
        return {"state": found["state"], "date": found["fields"]["start_date"]}

    with connected(hl7_server) as client:
        assert code(tell(client, order("OC-1", accession="ACC72"))) == "AA"
        later = order("OC-2", accession="ACC72", control="XO").replace("20261201103000", "20261202103000")
        assert code(tell(client, later)) == "AA"
        assert entry() == {"state": "scheduled", "date": "20261202"}
        assert code(tell(client, order("OC-3", accession="ACC72", control="CA"))) == "AA"
        assert entry()["state"] == "discontinued"
        answer = tell(client, order("OC-4", accession="ACC73", control="CA"))
    assert (code(answer), answer["ERR"][2][:4]) == ("AE", "204^")


def test_an_imaging_order_has_a_step_for_each_ipc(hl7_server: Server, asking: Asking) -> None:
    text = message(
        "OMI^O23^OMI_O23",
        "IM-1",
        pid("IM1"),
        "ORC|NW|PL9|FI9",
        "TQ1|1||||||20261203080000||S",
        "OBR|1|PL9|FI9|P5^Spine^99LOCAL",
        "IPC|ACC74|RP74|1.2.3.74|S1|MR|C1^Cervical spine^99LOCAL|||MR1",
        "IPC|ACC74|RP74|1.2.3.74|S2|MR|C2^Thoracic spine^99LOCAL|||MR2",
    )
    with connected(hl7_server) as client:
        assert code(tell(client, text)) == "AA"
    found = {one["fields"]["step_id"]: one["fields"] for one in asking.get("/worklist?q=ACC74")["items"]}
    assert {name: one["station_ae_titles"] for name, one in found.items()} == {"S1": ["MR1"], "S2": ["MR2"]}
    assert {one["step_description"] for one in found.values()} == {"Cervical spine", "Thoracic spine"}
    assert {one["study_instance_uid"] for one in found.values()} == {"1.2.3.74"}


def test_an_order_that_lacks_what_modalities_must_be_told_fails_and_is_tried_again(
    hl7_server: Server, asking: Asking
) -> None:
    with connected(hl7_server) as client:
        answer = tell(client, order("LA-1", accession="ACC75").replace("|CT|", "|US|"))
    assert code(answer) == "AE"
    assert "Scheduled Station AE Title" in answer["MSA"][2]
    (failed,) = [one for one in asking.get("/messages?state=failed")["items"] if one["control_id"] == "LA-1"]
    assert asking.ask("POST", f"/messages/{failed['id']}/retry")[1]["attempts"] == 2
    assert asking.get(f"/messages/{failed['id']}")["text"].startswith("MSH|^~\\&|HIS|HOSPITAL|PACS|X|")
    assert asking.ask("POST", f"/messages/{failed['id']}/discard")[1]["state"] == "discarded"
    assert asking.ask("POST", f"/messages/{failed['id']}/retry")[0] == 409


def test_a_result_stands_on_the_page_of_its_study(hl7_server: Server, asking: Asking) -> None:
    study, _ = _store(hl7_server, "RE1", "Demo^Anna", accession=b"ACC76")
    with connected(hl7_server) as client:
        assert code(tell(client, result("RS-1", accession="ACC76", patient="RE1", status="P"))) == "AA"
        assert code(tell(client, result("RS-2", accession="ACC76", patient="RE1"))) == "AA"
        assert code(tell(client, result("RS-3", accession="ACC76", patient="OTHER"))) == "AA"
    last, first = asking.get("/reports?accession=ACC76&patient_id=RE1")
    assert (first["status"], last["status"]) == ("P", "F")
    assert last["text"] == "Findings:\nNo bleeding.\nNo fracture.\nImpression:\nNormal."
    assert asking.get(f"/reports/{last['id']}") == last
    page = asking.page(f"/studies/{study}")
    assert page.count('class="report"') == 2
    assert "No bleeding." in page


# Acknowledgement


def test_a_message_that_comes_again_is_answered_as_before_and_applied_once(hl7_server: Server, asking: Asking) -> None:
    text = order("AG-1", accession="ACC77")
    with connected(hl7_server) as client:
        first = tell(client, text)["MSA"]
        again = tell(client, text.replace("20261201120000", "20261201120500"))["MSA"]
        other = tell(client, order("AG-1", accession="ACC78"))
    assert first == again
    assert (code(other), other["ERR"][2][:4]) == ("AR", "205^")
    assert asking.get("/worklist?q=ACC78")["items"] == []
    assert len([one for one in asking.get("/messages")["items"] if one["control_id"] == "AG-1"]) == 1


def test_one_message_over_many_connections_at_once_is_applied_once(hl7_server: Server, asking: Asking) -> None:
    text = result("MANY-1", accession="ACC79")

    def send(_number: int) -> str:
        with connected(hl7_server) as client:
            return code(tell(client, text))

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(send, range(6))) <= {"AA", "AE"}
    assert len(asking.get("/reports?accession=ACC79")) == 1


def test_several_messages_at_once_are_answered_in_their_order(hl7_server: Server) -> None:
    texts = [message("ADT^A08", f"SE-{number}", pid(f"SE{number}")) for number in range(20)]
    with RawPeer(port_of(hl7_server)) as peer:
        peer.send(b"".join(START + one.encode() + END for one in texts))
        answers = [segments(peer.answer())["MSA"] for _ in texts]
    assert [one[1] for one in answers] == [f"SE-{number}" for number in range(20)]
    assert {one[0] for one in answers} == {"AA"}


@pytest.mark.parametrize(
    ("accept", "application", "expected"),
    [("AL", "AL", ["CA", "AA"]), ("AL", "NE", ["CA"]), ("NE", "AL", ["AA"]), ("ER", "SU", ["AA"])],
)
def test_in_enhanced_mode_both_acknowledgements_come_as_they_are_asked_for(
    hl7_server: Server, accept: str, application: str, expected: list[str]
) -> None:
    number = f"EN-{accept}{application}"
    with RawPeer(port_of(hl7_server)) as peer:
        text = message("ADT^A08", number, pid("EN"), more=f"|||{accept}|{application}")
        peer.send(START + text.encode() + END + START + message("ADT^A08", f"{number}X", pid("EN")).encode() + END)
        answers = [segments(peer.answer()) for _ in range(len(expected) + 1)]
    assert [one["MSA"][:2] for one in answers] == [*([one, number] for one in expected), ["AA", f"{number}X"]]


def test_an_acknowledgement_is_not_acknowledged(hl7_server: Server) -> None:
    with RawPeer(port_of(hl7_server)) as peer:
        peer.send(START + message("ACK^A08", "X", "MSA|AA|1").encode() + END)
        peer.send(START + message("ADT^A08", "ACK-1", pid("ACK")).encode() + END)
        assert segments(peer.answer())["MSA"][1] == "ACK-1"


def test_messages_that_are_not_taken_are_refused_with_the_reason(hl7_server: Server) -> None:
    with connected(hl7_server) as client:
        for kind, segment, expected in (
            ("ADT^A03", pid(), ("AR", "200^", "MSH^1^9")),
            ("ADT^A08", "PV1|1", ("AE", "100^", "PID")),
            ("ADT^A08", pid(""), ("AE", "101^", "PID^1^3")),
            ("ADT^A08", pid(born="1970"), ("AE", "102^", "PID^1^7")),
            ("ADT^A40", pid(), ("AE", "100^", "MRG")),
            ("ORM^O01", pid(), ("AE", "100^", "ORC")),
            ("ORU^R01", pid(), ("AE", "100^", "OBR")),
        ):
            answer = tell(client, message(kind, f"BAD-{kind}-{expected[2]}", segment))
            assert (code(answer), answer["ERR"][2][:4], answer["ERR"][1]) == expected, kind


def test_answers_are_in_the_encoding_of_the_message(hl7_server: Server) -> None:
    text = message("ORM^O01", "CS-1", pid(), "ORC|Ä", "OBR|1", more="||||||8859/1")
    with RawPeer(port_of(hl7_server)) as peer:
        peer.send(START + text.encode("latin-1") + END)
        answer = peer.answer()
    assert "order control 'Ä'".encode("latin-1") in answer
    assert answer.split(b"\r")[0].endswith(b"8859/1")
