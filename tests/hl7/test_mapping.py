"""What orders, results and patients say, attribute by attribute."""

from collections.abc import Mapping

import pytest

from archimage.errors import Hl7Error
from archimage.hl7 import orders, patients, results
from archimage.hl7.orders import Task
from archimage.hl7.parsing import Message, parse
from archimage.model.messages import Fault, PatientIdentifier
from archimage.services.datasets import Model, items, text
from tests.hl7.sending import message, order, pid, result


def _parsed(*segments: str, kind: str = "ORM^O01") -> Message:
    return parse(message(kind, "1", *segments).encode(), "UNICODE UTF-8")


def _segment(name: str, fields: Mapping[int, str]) -> str:
    """Return a segment of these fields, by their numbers."""
    return "|".join([name, *(fields.get(number, "") for number in range(1, max(fields) + 1))])


def _step(model: Model) -> Model:
    (found,) = items(model, 0x00400100)
    return found


_ORDER = message(
    "ORM^O01",
    "1",
    pid("P1^^^HOSP", "Demo^Anna^B^Jr^Dr"),
    _segment("PV1", {3: "W1^R2^B3", 8: "R1^Refer^Rita", 19: "V9"}),
    "ORC|NW|PL1|FI1",
    _segment("TQ1", {7: "20261203080530+0100", 9: "S"}),
    _segment(
        "OBR",
        {
            2: "PL1",
            3: "FI1",
            4: "C1^Chest^99L^P1^PA view^99L",
            12: "^contagious",
            16: "R2^Request^Rolf",
            18: "A1",
            19: "RP1",
            20: "SPS1",
            24: "DX",
            30: "W",
            31: "R^cough",
            34: "T9^Tech^Tina",
        },
    ),
)
_EXPECTED = {
    0x00100010: "Demo^Anna^B^Dr^Jr",
    0x00100020: "P1",
    0x00100021: "HOSP",
    0x00100030: "19700131",
    0x00100040: "F",
    0x00380010: "V9",
    0x00380300: "W1^R2^B3",
    0x00080090: "Refer^Rita",
    0x00080050: "A1",
    0x00321032: "Request^Rolf",
    0x00321060: "Chest",
    0x00380500: "contagious",
    0x00401001: "RP1",
    0x00401002: "cough",
    0x00401003: "STAT",
    0x00401004: "W",
    0x00402016: "PL1",
    0x00402017: "FI1",
}
_EXPECTED_STEP = {
    0x00080060: "DX",
    0x00400002: "20261203",
    0x00400003: "080530",
    0x00400009: "SPS1",
    0x00400006: "Tech^Tina",
    0x00400007: "PA view",
}


def test_an_order_says_who_what_when_and_where() -> None:
    (found,) = orders.orders_of(parse(_ORDER.encode(), "ASCII"))
    assert found.task is Task.PUT
    assert {tag: text(found.model, tag) for tag in _EXPECTED} == _EXPECTED
    assert {tag: text(_step(found.model), tag) for tag in _EXPECTED_STEP} == _EXPECTED_STEP
    (procedure,), (protocol,) = items(found.model, 0x00321064), items(_step(found.model), 0x00400008)
    assert [text(one, 0x00080100) for one in (procedure, protocol)] == ["C1", "P1"]


@pytest.mark.parametrize(
    ("control", "task"),
    [
        ("NW", Task.PUT),
        ("XO", Task.PUT),
        ("CA", Task.DISCONTINUE),
        ("DC", Task.DISCONTINUE),
        ("SC||||IP", Task.START),
        ("SC||||CM", Task.COMPLETE),
        ("SC||||CA", Task.DISCONTINUE),
        ("SC", Task.NOTHING),
    ],
)
def test_order_controls_say_what_is_to_be_done(control: str, task: Task) -> None:
    (found,) = orders.orders_of(_parsed(pid(), f"ORC|{control}", "OBR|1|||X"))
    assert found.task is task


def test_each_order_of_a_message_has_its_own_segments_and_a_zds_at_the_end_is_that_of_all() -> None:
    first, second = orders.orders_of(
        _parsed(pid(), "ORC|NW|A", "OBR|1|A||X", "ORC|CA|B", "OBR|2|B||Y", "ZDS|1.2.3^^X^DICOM")
    )
    assert (first.task, text(first.model, 0x00402016)) == (Task.PUT, "A")
    assert (second.task, text(second.model, 0x00402016)) == (Task.DISCONTINUE, "B")
    assert {text(one.model, 0x0020000D) for one in (first, second)} == {"1.2.3"}


def test_a_start_that_is_none_is_refused() -> None:
    with pytest.raises(Hl7Error) as caught:
        orders.orders_of(_parsed(pid(), "ORC|NW||||||^^^tomorrow", "OBR|1|||X"))
    assert caught.value.fault is Fault.DATA_TYPE
    (short,) = orders.orders_of(parse(order("1").replace("20261201103000", "20261201").encode(), "ASCII"))
    assert text(_step(short.model), 0x00400003) == "000000"


def test_a_name_has_the_groups_that_its_repetitions_have() -> None:
    segment = _parsed(pid(name="Yamada^Tarou^^^^^L^A~山田^太郎^^^^^L^I~やまだ^たろう^^^^^L^P")).first("PID")
    assert patients.person_name(segment, 5) == "Yamada^Tarou=山田^太郎=やまだ^たろう"


def test_what_separates_parts_of_a_name_does_not_come_from_a_part() -> None:
    segment = _parsed(pid(name="De\\S\\mo=x^A\\E\\b")).first("PID")
    assert patients.person_name(segment, 5) == "De mo x^A b"


def test_an_empty_field_says_nothing_and_quotes_take_the_value_away() -> None:
    assert patients.values(_parsed("PID|1||P1||||19700131|").first("PID")) == {"PatientBirthDate": "19700131"}
    assert patients.values(_parsed('PID|1||P1||||""|""').first("PID")) == {"PatientBirthDate": "", "PatientSex": ""}


def test_all_identifiers_are_read_and_wrong_ones_refused() -> None:
    segment = _parsed("PID|1||A^^^X~B~^^^Y").first("PID")
    assert patients.identifiers(segment, 3) == [PatientIdentifier("A", "X"), PatientIdentifier("B")]
    for wrong in ("", "x" * 65, "a\\E\\b", '""'):
        with pytest.raises(Hl7Error):
            patients.identifiers(_parsed(f"PID|1||{wrong}").first("PID"), 3)


def test_a_report_has_the_text_of_its_observations() -> None:
    (found,) = results.reports_of(
        _parsed(
            pid("P1^^^HOSP"),
            "ORC|RE|PL1|FI1",
            _segment("OBR", {2: "PL1", 3: "FI1", 4: "C1^Chest", 7: "20261201", 25: "P"}),
            "OBX|1|HD|113014^DICOM Study^DCM||1.2.3.4",
            "OBX|2|FT|F^Findings||First line\\.br\\second~third",
            "OBX|3|NM|S^Size||12|mm",
            "OBX|4|CE|D^Diagnosis||J18^Pneumonia^I10",
            "OBX|5|ED|P^PDF||^application^pdf^Base64^AAAA",
            "NTE|1||A note.",
            kind="ORU^R01",
        ),
        7,
        5.0,
    )
    assert (found.study_instance_uid, found.accession_number, found.report_id) == ("1.2.3.4", "FI1", "FI1")
    assert (found.title, found.status, found.issuer_of_patient_id) == ("Chest", "P", "HOSP")
    lines = ["Findings:", "First line", "second", "third", "Size:", "12 mm", "Diagnosis:", "Pneumonia", "A note."]
    assert found.text.splitlines() == lines


def test_a_result_that_names_nothing_or_has_an_unknown_status_is_refused() -> None:
    for segment in ("OBR|1|||X", _segment("OBR", {3: "F1", 25: "Q"})):
        with pytest.raises(Hl7Error):
            results.reports_of(_parsed(pid(), segment, kind="ORU^R01"), 1, 5.0)
    (found,) = results.reports_of(parse(result("1").encode(), "ASCII"), 1, 5.0)
    assert found.observed_at == "20261201110000"
