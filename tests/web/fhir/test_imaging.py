"""Patients, studies and endpoints over HTTP: read and searched for; every answer is validated by `fhir.resources`."""

import string
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archimage.config import HttpConfig
from archimage.config_fhir import FhirConfig
from archimage.dicom.demo import demo_files
from archimage.web.fhir.application import ENDPOINTS
from tests.web.fhir.answers import JSON, link, matches, refused, valid
from tests.web.serving import Client, config, serving


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server of the demo images, two slices of each stack."""
    with serving(config(tmp_path_factory.mktemp("fhir"))) as found:
        for file in demo_files(slices=2):
            assert found.ask("/instances", "POST", file).status == 200
        yield found


@pytest.fixture
def ct(client: Client) -> Any:
    """The study of a CT."""
    (found,) = matches(client, "ImagingStudy?modality=CT&_count=1")[:1]
    return found


def test_a_study_has_what_dicomweb_tells_of_it(client: Client, ct: Any) -> None:
    found = valid(client.ask(f"/fhir/ImagingStudy/{ct['id']}"))
    assert found == ct
    (row,) = client.ask(f"/dicom-web/studies?StudyInstanceUID={ct['id']}").json
    assert found["numberOfSeries"] == int(row["00201206"]["Value"][0]) == len(found["series"])
    assert found["numberOfInstances"] == int(row["00201208"]["Value"][0])
    for series in found["series"]:
        rows = client.ask(f"/dicom-web/studies/{ct['id']}/series/{series['uid']}/instances").json
        told = {(one["00080018"]["Value"][0], f"urn:oid:{one['00080016']['Value'][0]}") for one in rows}
        assert {(one["uid"], one["sopClass"]["code"]) for one in series["instance"]} == told
        assert series["numberOfInstances"] == len(rows)


def test_its_endpoint_is_the_dicomweb_of_this_archive(client: Client, ct: Any) -> None:
    reference = ct["endpoint"][0]["reference"]
    endpoint = valid(client.ask(f"/fhir/{reference}"))
    assert endpoint["connectionType"]["code"] == "dicom-wado-rs"
    assert endpoint["address"] == f"http://127.0.0.1:{client.port}/dicom-web"
    path = endpoint["address"].removeprefix(f"http://127.0.0.1:{client.port}")
    assert client.ask(f"{path}/studies/{ct['id']}/metadata").status == 200
    assert [one["id"] for one in matches(client, "Endpoint?connection-type=dicom-qido-rs")] == ["dicom-qido-rs"]
    refused(client.ask("/fhir/Endpoint/elsewhere"), 404)


def test_its_patient_is_found_by_the_id_that_it_refers_to(client: Client, ct: Any) -> None:
    patient = valid(client.ask(f"/fhir/{ct['subject']['reference']}"))
    value = patient["identifier"][0]["value"]
    assert [one["id"] for one in matches(client, f"Patient?identifier={quote(value)}")] == [patient["id"]]
    assert [one["id"] for one in matches(client, f"Patient?_id={patient['id']}")] == [patient["id"]]
    for asked in (f"patient={patient['id']}", f"subject=Patient/{patient['id']}", f"patient.identifier={quote(value)}"):
        found = matches(client, f"ImagingStudy?{asked}")
        assert ct["id"] in [one["id"] for one in found]
        assert {one["subject"]["reference"] for one in found} == {f"Patient/{patient['id']}"}


def test_patients_are_found_by_name_birth_date_and_gender(client: Client) -> None:
    patients = matches(client, "Patient")
    assert patients == matches(client, "Patient?_count=1")
    one = next(patient for patient in patients if "birthDate" in patient and patient.get("gender") == "female")
    born, family = one["birthDate"], one["name"][0]["family"]

    def found(asked: str) -> bool:
        return one["id"] in [patient["id"] for patient in matches(client, f"Patient?{asked}")]

    for asked in (f"birthdate={born}", f"birthdate=ge{born}", f"birthdate=le{born}", f"birthdate={born[:4]}"):
        assert found(asked), asked
    for asked in (f"birthdate=gt{born}", f"birthdate=lt{born}", "gender=male", "gender=unknown", "family=xyz"):
        assert not found(asked), asked
    for asked in ("gender=female", "gender=male,female", f"family={family[:2].upper()}", f"name={family[1:].lower()}"):
        assert found(asked), asked
    assert found(f"given={one['name'][0]['given'][0][:2].lower()}")
    assert matches(client, "Patient?_id=none") == matches(client, "Patient?identifier=urn:oid:1.2|") == []


def test_studies_are_found_by_uid_accession_date_modality_and_status(client: Client, ct: Any) -> None:
    accession = next(one["value"] for one in ct["identifier"] if "type" in one)
    started = ct["started"][:10]
    uid = ct["id"]
    instance = ct["series"][0]["instance"][0]
    for asked in (
        f"identifier=urn:oid:{uid}",
        f"identifier=urn:dicom:uid|urn:oid:{uid}",
        f"identifier={quote(accession)}",
        f"started={started}",
        f"started=ge{started}&started=le{started}",
        f"started=eq{started[:7]}",
        f"started=ge{started}T00:00:00Z",
        "modality=CT",
        "modality=http://dicom.nema.org/resources/ontology/DCM|CT,XA",
        "status=available,registered",
        "endpoint=Endpoint/dicom-wado-rs",
        f"series={ct['series'][0]['uid']}",
        f"instance={instance['uid']}",
        f"dicom-class={quote(instance['sopClass']['code'])}",
        f"_id={uid},1.2.3",
    ):
        assert uid in [one["id"] for one in matches(client, f"ImagingStudy?{asked}")], asked
    for asked in (
        "identifier=urn:oid:1.2.3",
        "identifier=other|x",
        f"started=gt{started}",
        f"started=lt{started}",
        "modality=other|CT",
        "status=registered",
        "endpoint=Endpoint/other",
        "patient=Patient/other",
        "patient=http://elsewhere.example/fhir/Patient/1",
        "series=none",
    ):
        assert uid not in [one["id"] for one in matches(client, f"ImagingStudy?{asked}")], asked


def test_a_search_is_sorted_and_comes_in_pages(client: Client) -> None:
    every = matches(client, "ImagingStudy?_sort=-started&_count=2")
    dates = [one["started"] for one in every]
    assert dates == sorted(dates, reverse=True)
    assert len({one["id"] for one in every}) == len(every) > 3
    bundle = valid(client.ask("/fhir/ImagingStudy?_count=2&_sort=started&_offset=1&other=1"))
    assert link(bundle, "self").endswith("/fhir/ImagingStudy?_sort=started&_count=2&_offset=1")
    assert link(bundle, "next").endswith("_offset=3")
    assert bundle["entry"][-1]["search"]["mode"] == "outcome"
    assert bundle["entry"][0]["fullUrl"].startswith(f"http://127.0.0.1:{client.port}/fhir/ImagingStudy/")


def test_the_number_alone_may_be_asked_for(client: Client) -> None:
    every = len(matches(client, "ImagingStudy"))
    for asked in ("ImagingStudy?_summary=count", "ImagingStudy?_count=0"):
        bundle = valid(client.ask(f"/fhir/{asked}"))
        assert bundle["total"] == every
        assert "entry" not in bundle
    assert valid(client.ask("/fhir/Patient?_summary=count"))["total"] == len(matches(client, "Patient"))


def test_what_studies_refer_to_may_come_with_them(client: Client) -> None:
    address = "/fhir/ImagingStudy?_include=ImagingStudy:patient&_include=ImagingStudy:endpoint"
    bundle = valid(client.ask(address))
    included = {entry["fullUrl"] for entry in bundle["entry"] if entry["search"]["mode"] == "include"}
    root = f"http://127.0.0.1:{client.port}/fhir"
    studies = [entry["resource"] for entry in bundle["entry"] if entry["search"]["mode"] == "match"]
    named = {f"{root}/{one['subject']['reference']}" for one in studies}
    assert included == named | {f"{root}/Endpoint/dicom-wado-rs", f"{root}/Endpoint/dicom-qido-rs"}


def test_what_is_not_known_is_passed_over_or_refused_as_the_client_prefers(client: Client) -> None:
    lenient = valid(client.ask("/fhir/Patient?shoe-size=44"))
    assert "shoe-size" in lenient["entry"][-1]["resource"]["issue"][0]["diagnostics"]
    assert "shoe-size" in refused(client.ask("/fhir/Patient?shoe-size=44", Prefer="handling=strict"), 400)
    refused(client.ask("/fhir/ImagingStudy?_include=ImagingStudy:interpreter", Prefer="handling=strict"), 400)
    for asked in (
        "Patient?birthdate=yesterday",
        "Patient?birthdate=2023-02-30",
        "Patient?birthdate=ne2023",
        "Patient?gender=fruit",
        "Patient?name=*",
        "Patient?name=a,b",
        "Patient?_sort=shoe-size",
        "Patient?_count=many",
        "Patient?_summary=text",
        "Patient?_pretty=perhaps",
        "Patient?identifier=",
        "ImagingStudy?started=2024-01-01T25:00",
        "ImagingStudy?identifier=A1,urn:oid:1.2",
    ):
        refused(client.ask(f"/fhir/{asked}"), 400)


def test_a_resource_that_the_client_has_is_not_sent_again(client: Client, ct: Any) -> None:
    path = f"/fhir/ImagingStudy/{ct['id']}"
    first = client.ask(path)
    etag = first.headers["etag"]
    assert etag == f'W/"{valid(first)["meta"]["versionId"]}"'
    again = client.ask(path, If_None_Match=etag)
    assert (again.status, again.body) == (304, b"")
    assert client.ask(path, If_None_Match='W/"other"').status == 200
    head = client.ask(path, "HEAD")
    assert (head.status, head.body, head.headers["etag"]) == (200, b"", etag)
    assert int(head.headers["content-length"]) == len(first.body)


def test_only_json_is_given(client: Client) -> None:
    for accept in ("application/fhir+json", "application/json", "*/*", "application/fhir+json; fhirVersion=4.3"):
        valid(client.ask("/fhir/metadata", Accept=accept))
    for asked in ("json", "application/fhir%2Bjson", "application/fhir+json"):
        valid(client.ask(f"/fhir/metadata?_format={asked}", Accept="application/fhir+xml"))
    for accept in ("application/fhir+xml", "text/html"):
        refused(client.ask("/fhir/metadata", Accept=accept), 406)
    refused(client.ask("/fhir/metadata?_format=xml"), 406)
    assert client.ask("/fhir/metadata?_pretty=true").body.startswith(b'{\n  "resourceType"')


def test_what_is_not_there_is_said_as_an_outcome(client: Client) -> None:
    for path in ("Patient/none", "ImagingStudy/1.2.3", "ImagingStudy/x%20y", "Observation", "Patient/1/_history", ""):
        refused(client.ask(f"/fhir/{path}"), 404)
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        refused(client.ask("/fhir/ImagingStudy/1.2.3", method, b"{}"), 405)
    refused(client.ask(f"/fhir/Patient?{'a=1&' * 600}"), 413)


def test_the_statement_tells_what_is_served(client: Client) -> None:
    found = valid(client.ask("/fhir/metadata"))
    told = {one["type"] for one in found["rest"][0]["resource"]}
    assert told == {one.path.split("/")[1] for one in ENDPOINTS} - {"metadata"}
    assert found["fhirVersion"] == "4.3.0"


def test_it_can_be_turned_off(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = config(tmp_path_factory.mktemp("off"))
    with serving(settings.model_copy(update={"fhir": FhirConfig(enabled=False)})) as client:
        assert client.ask("/fhir/metadata").status == 404


def test_pages_of_other_origins_may_read_where_a_setting_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = config(tmp_path_factory.mktemp("cors"), HttpConfig(port=0, cors_origins=("https://viewer.example",)))
    with serving(settings) as client:
        valid(client.ask("/fhir/metadata", Origin="https://viewer.example"))
        answer = client.ask("/fhir/metadata", Origin="https://viewer.example")
        assert answer.headers["access-control-allow-origin"] == "https://viewer.example"
        assert client.ask("/fhir/metadata", Origin="https://elsewhere.example").status == 400


_KINDS = sorted({endpoint.path[1:] for endpoint in ENDPOINTS if endpoint.parameters})
_NAMES = sorted({name for endpoint in ENDPOINTS for name in endpoint.parameters} | {"_format", "_pretty", "x:y", ""})
_VALUES = st.one_of(
    st.text(max_size=40),
    st.text(string.punctuation + "0123456789T", max_size=20),
    st.sampled_from(["ge2024-01-01", "0000", "9999-12-31", "gt9999", "lt0001-01-01", "|", ",", "\\,", "urn:oid:"]),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(_KINDS), st.lists(st.tuples(st.sampled_from(_NAMES), _VALUES)))
def test_no_parameter_is_the_servers_fault(client: Client, kind: str, pairs: list[tuple[str, str]]) -> None:
    asked = "&".join(f"{quote(name)}={quote(value.encode('utf-8', 'replace'))}" for name, value in pairs)
    answer = client.ask(f"/fhir/{kind}?{asked}")
    assert answer.status in {200, 400, 406, 413}, (asked, answer.body)
    found = valid(answer, answer.status)
    assert found["resourceType"] == ("Bundle" if answer.status == 200 else "OperationOutcome")
    assert answer.headers["content-type"] == JSON
