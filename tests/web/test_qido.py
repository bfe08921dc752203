"""Searches over HTTP give what PS3.18 §10.6 says, and the total of what there is."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from archimage.config import HttpConfig, QueryConfig
from archimage.model.records import InstanceRecord
from archimage.services import query
from tests.services.archive import records
from tests.web.serving import Answer, Client, config, serving

STUDY_UID, SERIES_UID, SOP_UID = "0020000D", "0020000E", "00080018"
# fmt: off
STUDY_ATTRIBUTES = [  # PS3.18 Table 10.6.3-3, where the archive is of one time zone
    "00080005", "00080020", "00080030", "00080050", "00080056", "00080061", "00080090", "00080201", "00081190",
    "00100010", "00100020", "00100030", "00100040", "0020000D", "00200010", "00201206", "00201208",
]
SERIES_ATTRIBUTES = [  # Table 10.6.3-4, and the study's UID
    "00080005", "00080056", "00080060", "00080201", "0008103E", "00081190", "0020000D", "0020000E", "00200011",
    "00201209", "00400244", "00400245", "00400275",
]
INSTANCE_ATTRIBUTES = [  # Table 10.6.3-5, and the UIDs above
    "00080005", "00080016", "00080018", "00080056", "00080201", "00081190", "00083002", "0020000D", "0020000E",
    "00200013", "00280008", "00280010", "00280011", "00280100",
]
# fmt: on


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Four studies of two patients, a series of three instances in each."""
    with serving(config(tmp_path_factory.mktemp("qido")), records()) as found:
        yield found


def uids(answer: Answer, tag: str = STUDY_UID) -> list[str]:
    """Return a UID of each result."""
    assert answer.status == 200, answer.body
    return [result[tag]["Value"][0] for result in answer.json]


def value(result: dict[str, Any], tag: str) -> Any:
    """Return the first value of an attribute."""
    return result[tag]["Value"][0]


# What comes back.


def test_a_study_has_the_attributes_of_the_standard(client: Client) -> None:
    answer = client.ask("/dicom-web/studies?PatientID=P1&limit=1")
    assert answer.headers["content-type"] == "application/dicom+json"
    (study,) = answer.json
    assert list(study) == STUDY_ATTRIBUTES
    assert study["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}]}
    assert study["00080050"] == {"vr": "SH"}
    assert study["00201208"] == {"vr": "IS", "Value": [3]}
    assert value(study, "00080056") == "ONLINE"
    assert value(study, "00081190") == f"http://127.0.0.1:{client.port}/dicom-web/studies/1.2"


def test_a_series_has_the_attributes_of_the_standard_and_its_sequence(client: Client) -> None:
    (series,) = client.ask("/dicom-web/studies/1.1/series").json
    assert list(series) == SERIES_ATTRIBUTES
    assert value(series, "00081190").endswith("/dicom-web/studies/1.1/series/1.1.1")
    items = series["00400275"]["Value"]
    assert [value(item, "00400009") for item in items] == ["S1", "S2"]
    assert [item["00401001"].get("Value") for item in items] == [["R1"], None]


def test_an_instance_has_the_attributes_of_the_standard_and_its_transfer_syntax(client: Client) -> None:
    first, *_ = client.ask("/dicom-web/studies/1.1/series/1.1.1/instances").json
    assert list(first) == INSTANCE_ATTRIBUTES
    assert value(first, "00083002") == "1.2.840.10008.1.2.1"
    assert value(first, "00280010") == 512
    assert value(first, "00081190").endswith("/dicom-web/studies/1.1/series/1.1.1/instances/1.1.1.0")


@pytest.mark.parametrize(
    ("path", "tag", "count", "attributes"),
    [
        ("studies", STUDY_UID, 4, STUDY_ATTRIBUTES),
        ("series", SERIES_UID, 4, STUDY_ATTRIBUTES + SERIES_ATTRIBUTES),
        ("studies/1.0/series", SERIES_UID, 1, SERIES_ATTRIBUTES),
        ("instances", SOP_UID, 12, STUDY_ATTRIBUTES + SERIES_ATTRIBUTES + INSTANCE_ATTRIBUTES),
        ("studies/1.0/instances", SOP_UID, 3, SERIES_ATTRIBUTES + INSTANCE_ATTRIBUTES),
        ("studies/1.0/series/1.0.1/instances", SOP_UID, 3, INSTANCE_ATTRIBUTES),
    ],
)
def test_results_hold_the_levels_that_the_address_leaves_open(
    client: Client, path: str, tag: str, count: int, attributes: list[str]
) -> None:
    answer = client.ask(f"/dicom-web/{path}")
    assert len(set(uids(answer, tag))) == count
    assert list(answer.json[0]) == sorted(set(attributes))
    assert answer.headers["x-total-count"] == str(count)
    assert client.ask(f"/dicom-web/{path}/count").json == {"count": count}


def test_nothing_found_is_an_empty_array(client: Client) -> None:
    for path in ("studies?PatientID=nobody", "studies/9.9/series", "studies/1.0/series/1.1.1/instances"):
        answer = client.ask(f"/dicom-web/{path}")
        assert (answer.status, answer.json, answer.headers["x-total-count"]) == (200, [], "0")


# Matching.


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("PatientID=P0", ["1.0", "1.1"]),
        ("00100020=P0", ["1.0", "1.1"]),
        ("PatientName=m%C3%BCller*", ["1.0", "1.1"]),
        ("PatientName=tarou&fuzzymatching=true", ["1.2", "1.3"]),
        ("PatientName=tarou&fuzzymatching=false", []),
        ("StudyDate=20240102", ["1.1"]),
        ("StudyDate=20240102-20240103", ["1.1", "1.2"]),
        ("StudyDate=20240103-", ["1.2", "1.3"]),
        ("StudyDate=20240102-20240103&StudyTime=110000-130000", ["1.1", "1.2"]),
        ("StudyDate=20240102-20240103&StudyTime=130000-123000", ["1.2"]),
        ("StudyInstanceUID=1.0,1.3", ["1.0", "1.3"]),
        ("StudyInstanceUID=1.0%5C1.3", ["1.0", "1.3"]),
        ("ModalitiesInStudy=CT", ["1.0", "1.1", "1.2", "1.3"]),
        ("ModalitiesInStudy=MR", []),
        ("ModalitiesInStudy=CT%5CMR", ["1.0", "1.1", "1.2", "1.3"]),
        ("ModalitiesInStudy=CT,MR", ["1.0", "1.1", "1.2", "1.3"]),
        ("ModalitiesInStudy=MR%2CUS", []),
        ("ModalitiesInStudy=CT%5CMR&multiplevaluematching=true", []),
        ("SOPInstanceUID=1.2.1.1", ["1.2"]),
        ("SeriesInstanceUID=1.3.1&PatientID=P1", ["1.3"]),
        ("RequestAttributesSequence.ScheduledProcedureStepID=S2", ["1.0", "1.1", "1.2", "1.3"]),
        ("00400275.00400009=S3", []),
        ("RequestAttributesSequence.00400009=S1&00400275.RequestedProcedureID=R1", ["1.0", "1.1", "1.2", "1.3"]),
        ("PatientID=", ["1.0", "1.1", "1.2", "1.3"]),
        ("PatientID=*", ["1.0", "1.1", "1.2", "1.3"]),
        ("PatientID=%22%22&emptyvaluematching=true", []),
        ("PatientID=&emptyvaluematching=true", ["1.0", "1.1", "1.2", "1.3"]),
        ("StudyID=%22%22&emptyvaluematching=true", ["1.0", "1.1", "1.2", "1.3"]),
        ("StudyID=%22%22", []),
        ("NameOfPhysiciansReadingStudy=%22%22&emptyvaluematching=true&StudyDate=20240102", ["1.1"]),
        ("PatientID=P'%20OR%201=1--", []),
    ],
)
def test_every_kind_of_matching(client: Client, query: str, found: list[str]) -> None:
    assert uids(client.ask(f"/dicom-web/studies?{query}")) == found


def test_what_is_matched_is_returned(client: Client) -> None:
    study, *_ = client.ask("/dicom-web/studies?StudyDescription=&PatientAge=").json
    assert study["00081030"] == {"vr": "LO"}
    assert study["00101010"] == {"vr": "AS"}


def test_what_is_not_indexed_is_told_and_matches_all(client: Client) -> None:
    answer = client.ask("/dicom-web/studies?PatientMotherBirthName=x&NumberOfStudyRelatedSeries=7&_=12345")
    assert len(answer.json) == 4
    assert "attribute PatientMotherBirthName is not indexed" in answer.headers["warning"]
    assert "attribute NumberOfStudyRelatedSeries is not" in answer.headers["warning"]
    assert "The _ parameter is not known" in answer.headers["warning"]


def test_empty_value_matching_is_done_without_a_word_of_warning(client: Client) -> None:
    answer = client.ask("/dicom-web/studies?StudyID=%22%22&emptyvaluematching=true")
    assert (len(answer.json), "warning" in answer.headers) == (4, False)
    assert client.ask("/dicom-web/studies/count?StudyID=%22%22&emptyvaluematching=true").json == {"count": 4}


# What else is returned.


@pytest.mark.parametrize(
    ("query", "tags"),
    [
        ("includefield=StudyDescription", ["00081030"]),
        ("includefield=00081030,00081060&includefield=PatientAge", ["00081030", "00081060", "00101010"]),
        ("includefield=all", ["00081030", "00081060", "00081080", "00101010", "00201200", "00080062"]),
    ],
)
def test_more_attributes_are_returned_on_request(client: Client, query: str, tags: list[str]) -> None:
    answer = client.ask(f"/dicom-web/studies?{query}")
    assert set(tags) <= answer.json[0].keys()
    assert query.endswith("all") or set(answer.json[0]) == {*STUDY_ATTRIBUTES, *tags}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("studies", "PatientMotherBirthName"),  # is not kept
        ("studies", "00080060"),  # is of another level
        ("instances", "PixelSpacing"),
        ("instances", "RequestAttributesSequence.RequestedProcedureDescription"),
    ],
)
def test_what_cannot_be_returned_is_told(client: Client, path: str, name: str) -> None:
    answer = client.ask(f"/dicom-web/{path}?includefield={name},RetrieveURL,PatientID")
    assert answer.headers["warning"] == (
        f"299 http://127.0.0.1:{client.port}/dicom-web: "
        f"The attribute {name} is not indexed at this level and was not returned."
    )


def test_few_of_many_warnings_are_given(client: Client) -> None:
    answer = client.ask("/dicom-web/studies?includefield=" + ",".join(f"0009{number:04X}" for number in range(100)))
    assert answer.headers["warning"].count("was not returned") == 8


def test_a_parameter_that_has_one_value_is_refused_when_it_is_repeated(client: Client) -> None:
    answer = client.ask("/dicom-web/studies?limit=1&limit=2")
    assert (answer.status, answer.json["error"]) == (400, "limit is given 2 times; it has one value")


def test_a_whole_sequence_or_one_attribute_of_it_is_returned(client: Client) -> None:
    path = "/dicom-web/studies/1.0/instances?includefield="
    first, *_ = client.ask(f"{path}RequestAttributesSequence").json
    assert list(first["00400275"]["Value"][0]) == ["00080050", "00400009", "00401001"]
    first, *_ = client.ask(f"{path}ConceptNameCodeSequence.CodeValue").json
    assert first["0040A043"] == {"vr": "SQ"}


# Pages.


def test_pages_tell_what_remains(client: Client) -> None:
    answer = client.ask("/dicom-web/studies?limit=3")
    assert uids(answer) == ["1.0", "1.1", "1.2"]
    assert answer.headers["x-total-count"] == "4"
    assert answer.headers["warning"].endswith("There are 1 additional results that can be requested")
    answer = client.ask("/dicom-web/studies?limit=3&offset=3")
    assert uids(answer) == ["1.3"]
    assert answer.headers["x-total-count"] == "4"
    assert "warning" not in answer.headers
    answer = client.ask("/dicom-web/studies?limit=3&offset=100")
    assert (uids(answer), answer.headers["x-total-count"]) == ([], "4")
    answer = client.ask("/dicom-web/studies?limit=0")
    assert (uids(answer), answer.headers["x-total-count"]) == ([], "4")


@pytest.mark.parametrize(("few", "field"), [(10_000, "StudyID"), (0, "StudyDescription")])
def test_what_is_looked_for_among_all_values_comes_in_pages_too(
    client: Client, monkeypatch: pytest.MonkeyPatch, few: int, field: str
) -> None:
    monkeypatch.setattr(query, "FEW", few)
    asked = f"/dicom-web/studies?PatientID=*1&includefield={field}"
    whole = client.ask(asked)
    assert uids(whole) == ["1.2", "1.3"]
    assert client.ask(f"{asked}&orderby=-StudyInstanceUID").json == whole.json[::-1]
    for place, uid in enumerate(uids(whole)):
        for order in ("", "&orderby=StudyInstanceUID"):
            answer = client.ask(f"{asked}&limit=1&offset={place}{order}")
            assert (uids(answer), answer.headers["x-total-count"]) == ([uid], "2")
    assert client.ask(f"{asked}&limit=0").headers["x-total-count"] == "2"
    assert uids(client.ask(f"{asked}&offset=2")) == []


def test_a_list_that_was_asked_for_before_is_cut_and_told_of_as_a_new_one(client: Client) -> None:
    path = "/dicom-web/studies?includefield=StudyDescription&limit="
    for limit, found in ((2, 2), (4, 4), (3, 3), (1, 1), (0, 0), (100, 4), (2, 2)):
        answer = client.ask(f"{path}{limit}")
        assert uids(answer) == ["1.0", "1.1", "1.2", "1.3"][:found]
        assert answer.headers["x-total-count"] == "4"
        told = answer.headers.get("warning", "")
        assert told.endswith(f"There are {4 - found} additional results that can be requested") is (found < 4)
    told = client.ask(f"{path}9&mine=1&PatientMotherBirthName=x").headers["warning"]
    assert "The mine parameter is not known" in told
    assert "PatientMotherBirthName is not indexed" in told
    assert "warning" not in client.ask(f"{path}9").headers


def test_any_limit_is_capped(client: Client) -> None:
    assert len(uids(client.ask("/dicom-web/studies?limit=1000000000"))) == 4


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ("StudyDate", ["1.0", "1.1", "1.2", "1.3"]),
        ("-StudyDate", ["1.3", "1.2", "1.1", "1.0"]),
        ("-PatientID,StudyDate", ["1.2", "1.3", "1.0", "1.1"]),
        ("-PatientID&orderby=-00080020", ["1.3", "1.2", "1.1", "1.0"]),
        ("PatientID,-NumberOfStudyRelatedInstances,-StudyDate", ["1.1", "1.0", "1.3", "1.2"]),
    ],
)
def test_results_are_sorted(client: Client, order: str, found: list[str]) -> None:
    assert uids(client.ask(f"/dicom-web/studies?orderby={order}")) == found
    assert uids(client.ask(f"/dicom-web/studies?orderby={order}&limit=2&offset=1")) == found[1:3]


# What cannot be read.


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("PatientNam=Doe", 400),
        ("0010001=Doe", 400),
        ("StudyDate=yesterday", 400),
        ("StudyInstanceUID=x", 400),
        ("includefield=Nonsense", 400),
        ("includefield=..", 400),
        ("orderby=Nonsense", 400),
        ("orderby=Modality", 400),
        ("orderby=ModalitiesInStudy", 400),
        ("orderby=" + ",".join(["StudyDate"] * 9), 400),
        ("limit=-1", 400),
        ("limit=x", 400),
        ("offset=1.5", 400),
        ("fuzzymatching=maybe", 400),
        ("PatientID=a&PatientID=b", 400),
        ("PatientID=%ff", 400),
        ("includefield=" + ",".join(["PatientID"] * 1_100), 400),
        ("&".join(["includefield=PatientID"] * 600), 413),
        ("PatientID=" + "*a" * 30, 400),
        ("accept=image/png", 406),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(client: Client, query: str, status: int) -> None:
    answer = client.ask(f"/dicom-web/studies?{query}")
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json) == {"error", "next"}


def test_a_key_that_contradicts_the_address_is_refused(client: Client) -> None:
    assert client.ask("/dicom-web/studies/1.0/series?StudyInstanceUID=1.1").status == 400
    assert len(uids(client.ask("/dicom-web/studies/1.0/series?StudyInstanceUID=1.0"))) == 1


def test_bad_addresses_and_methods(client: Client) -> None:
    assert client.ask("/dicom-web/studies/x/series").status == 400
    assert client.ask("/dicom-web/studies/1.0%2f../series").status == 400
    assert client.ask("/dicom-web/nothing").status == 404
    refused = client.ask("/dicom-web/series", "POST", b"")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert client.ask("/dicom-web/series", "OPTIONS").headers["allow"] == "GET, HEAD, OPTIONS"


def test_head_has_the_headers_alone(client: Client) -> None:
    answer = client.ask("/dicom-web/studies", "HEAD")
    assert (answer.status, answer.headers["x-total-count"], answer.body) == (200, "4", b"")


# Forms.


def test_json_by_its_plain_name(client: Client) -> None:
    answer = client.ask("/dicom-web/studies", Accept="application/json")
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.json) == 4


def test_xml_is_a_part_for_each_result(client: Client) -> None:
    answer = client.ask("/dicom-web/studies", Accept='multipart/related; type="application/dicom+xml"')
    read = message_from_bytes(f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode() + answer.body)
    parts = [part for part in read.get_payload() if isinstance(part, Message)]
    assert [part.get_content_type() for part in parts] == ["application/dicom+xml"] * 4
    first = ET.fromstring(bytes(parts[0].get_payload(decode=True)))  # noqa: S314 - our own output
    names = {element.get("keyword") for element in first}
    assert {"StudyInstanceUID", "PatientName", "RetrieveURL"} <= names


def test_xml_of_no_results_is_no_content(client: Client) -> None:
    answer = client.ask("/dicom-web/studies?PatientID=x", Accept='multipart/related; type="application/dicom+xml"')
    assert (answer.status, answer.body) == (204, b"")


# Text that means something elsewhere.


HOSTILE = "<script>alert(1)</script>^\x1b[31m\u202e"
FORMULA = "=cmd|' /C calc'!A0"


def many(count: int) -> Iterator[InstanceRecord]:
    """Yield a study of one instance each, with a name that means something elsewhere."""
    template = next(iter(records()))
    for number in range(count):
        values = {
            **template.values,
            "patient_name": HOSTILE,
            "study_description": FORMULA,
            "study_instance_uid": f"2.{number}",
            "series_instance_uid": f"2.{number}.1",
            "sop_instance_uid": f"2.{number}.1.1",
        }
        yield replace(template, values=values, path=f"{number}.dcm")


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Three thousand studies, behind a proxy, of which one query may return 2,500."""
    settings = config(
        tmp_path_factory.mktemp("many"),
        HttpConfig(port=0, public_url="https://pacs.example"),
        QueryConfig(max_results=2_500),
    )
    with serving(settings, many(3_000)) as found:
        yield found


def test_names_come_out_as_they_went_in(crowded: Client) -> None:
    answer = crowded.ask("/dicom-web/studies?limit=1&includefield=StudyDescription")
    assert value(answer.json[0], "00100010") == {"Alphabetic": HOSTILE}
    assert value(answer.json[0], "00081030") == FORMULA
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_long_lists_are_streamed_to_their_end_and_say_what_is_left(crowded: Client) -> None:
    answer = crowded.ask("/dicom-web/studies")
    assert answer.headers["transfer-encoding"] == "chunked"
    assert uids(answer) == [f"2.{number}" for number in range(2_500)]
    assert answer.headers["x-total-count"] == "3000"
    assert "There are 500 additional results" in answer.headers["warning"]
    assert len(uids(crowded.ask("/dicom-web/studies?offset=2400"))) == 600


def test_long_lists_in_xml_have_all_parts(crowded: Client) -> None:
    answer = crowded.ask("/dicom-web/studies?limit=1000", Accept='multipart/related; type="application/dicom+xml"')
    assert answer.body.count(b"<NativeDicomModel") == 1_000
    assert answer.body.endswith(b"--\r\n")


def test_addresses_are_those_that_clients_see(crowded: Client) -> None:
    (study,) = crowded.ask("/dicom-web/studies?StudyInstanceUID=2.7").json
    assert value(study, "00081190") == "https://pacs.example/dicom-web/studies/2.7"


def test_a_client_that_leaves_in_the_middle_disturbs_nobody(crowded: Client) -> None:
    def leave() -> None:
        with socket.create_connection(("127.0.0.1", crowded.port)) as connection:
            connection.sendall(b"GET /dicom-web/studies HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connection.recv(100)

    leaving = [threading.Thread(target=leave) for _ in range(12)]
    for thread in leaving:
        thread.start()
    for thread in leaving:
        thread.join()
    assert len(uids(crowded.ask("/dicom-web/studies?limit=5"))) == 5


def test_what_is_stored_meanwhile_is_found(tmp_path: Path) -> None:
    settings = config(tmp_path)
    with serving(settings, list(records())[:3]) as client:
        assert client.ask("/dicom-web/studies/count").json == {"count": 1}
        assert len(uids(client.ask("/dicom-web/studies"))) == 1
        with serving(settings, list(records())):
            assert client.ask("/dicom-web/studies/count").json == {"count": 4}
            assert len(uids(client.ask("/dicom-web/studies"))) == 4
