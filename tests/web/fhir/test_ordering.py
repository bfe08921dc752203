"""Orders over HTTP: a ServiceRequest is an entry of the worklist."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archimage.dicom.demo import demo_files
from tests.web.fhir.answers import JSON, matches, refused, valid
from tests.web.serving import Answer, Client, config, serving

PATH = "/fhir/ServiceRequest"
_DCM = "http://dicom.nema.org/resources/ontology/DCM"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server of one demo image."""
    with serving(config(tmp_path_factory.mktemp("orders"))) as found:
        assert found.ask("/instances", "POST", next(iter(demo_files(slices=1)))).status == 200
        yield found


def order(accession: str = "", **changed: Any) -> dict[str, Any]:
    """Return an order for a patient whom it contains."""
    made: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "contained": [
            {
                "resourceType": "Patient",
                "id": "p",
                "identifier": [{"value": "DEMO-77"}],
                "name": [{"family": "Demo", "given": ["Anna", "Maria"]}],
                "birthDate": "1970-01-02",
                "gender": "female",
            }
        ],
        "status": "active",
        "intent": "order",
        "code": {"text": "CT of the head"},
        "orderDetail": [{"coding": [{"system": _DCM, "code": "CT"}]}],
        "subject": {"reference": "#p"},
        "occurrenceDateTime": "2026-12-01T09:00:00+00:00",
        "requester": {"display": "Rita Referrer"},
        "performer": [{"identifier": {"value": "CT1"}}],
    }
    if accession:
        made["identifier"] = [{"value": accession}]
    return {**made, **changed}


def send(
    client: Client, resource: Any, path: str = "/fhir/ServiceRequest", method: str = "POST", **more: str
) -> Answer:
    """Send a resource."""
    return client.ask(path, method, json.dumps(resource).encode(), Content_Type=JSON, **more)


def test_an_order_is_an_entry_of_the_worklist_and_read_back_from_it(client: Client) -> None:
    answer = send(client, order("A-1"))
    made = valid(answer, 201)
    assert answer.headers["location"] == f"http://127.0.0.1:{client.port}/fhir/ServiceRequest/{made['id']}"
    assert "last-modified" in answer.headers
    entry = client.ask(f"/api/v1/worklist/{made['id']}").json["entry"]
    assert (entry["source"], entry["state"], entry["is_told"]) == ("fhir", "scheduled", True)
    fields = entry["fields"]
    assert (fields["patient_id"], fields["patient_name"], fields["patient_birth_date"], fields["patient_sex"]) == (
        *("DEMO-77", "Demo^Anna^Maria", "19700102", "F"),
    )
    assert (fields["accession_number"], fields["modality"], fields["station_ae_titles"]) == ("A-1", "CT", ["CT1"])
    assert fields["referring_physician"] == "Referrer^Rita"
    read = valid(client.ask(f"/fhir/ServiceRequest/{made['id']}"))
    assert read == made
    assert read["occurrenceDateTime"].startswith("2026-12-01T09:00:00") or read["occurrenceDateTime"] != ""
    assert read["orderDetail"][0]["coding"][0]["code"] == "CT"
    assert {one["value"] for one in read["identifier"]} == {f"urn:oid:{fields['study_instance_uid']}", "A-1"}


def test_orders_are_searched_for(client: Client) -> None:
    made = valid(send(client, order("A-2")), 201)
    patient = made["subject"]["reference"]
    for asked in (
        f"_id={made['id']}",
        "identifier=A-2",
        f"identifier={made['identifier'][0]['value']}",
        f"patient={patient}",
        f"subject={patient.removeprefix('Patient/')}",
        "patient.identifier=DEMO-77",
        "status=active&identifier=A-2",
        "occurrence=2026-12-01",
        "occurrence=ge2026-12-01&intent=order",
        "",
    ):
        assert made["id"] in [one["id"] for one in matches(client, f"ServiceRequest?{asked}")], asked
    for asked in ("identifier=A", "status=completed", "occurrence=lt2026-12-01", "intent=plan", "_id=other"):
        assert made["id"] not in [one["id"] for one in matches(client, f"ServiceRequest?{asked}")], asked
    assert valid(client.ask("/fhir/ServiceRequest?_summary=count"))["total"] >= 1
    refused(client.ask("/fhir/ServiceRequest?_sort=status"), 400)


def test_an_order_is_made_once_where_the_client_asks_for_that(client: Client) -> None:
    first = valid(send(client, order("A-3")), 201)
    again = valid(send(client, order("A-3"), If_None_Exist="identifier=A-3"), 200)
    assert again["id"] == first["id"]
    refused(send(client, order("A-3")), 409)
    other = valid(send(client, order("A-4"), If_None_Exist="identifier=A-4"), 201)
    assert other["id"] != first["id"]
    refused(send(client, order("A-5"), If_None_Exist="patient.identifier=DEMO-77"), 412)
    refused(send(client, order("A-5"), If_None_Exist="shoe-size=44"), 400)


def test_an_order_is_changed_and_revoked(client: Client) -> None:
    made = valid(send(client, order("A-6")), 201)
    path = f"/fhir/ServiceRequest/{made['id']}"
    changed = order("A-6", id=made["id"], code={"text": "CT of the chest"})
    assert valid(send(client, changed, path, "PUT"))["code"]["text"] == "CT of the chest"
    revoked = valid(send(client, {**changed, "status": "revoked"}, path, "PUT"))
    assert revoked["status"] == "revoked"
    assert client.ask(f"/api/v1/worklist/{made['id']}").json["entry"]["state"] == "discontinued"
    assert revoked["identifier"] == made["identifier"]
    refused(send(client, changed, "/fhir/ServiceRequest/other", "PUT"), 400)
    refused(send(client, {**changed, "id": "other"}, "/fhir/ServiceRequest/other", "PUT"), 404)
    refused(client.ask(path, "DELETE"), 405)


def test_whom_an_order_is_for_is_known_or_told(client: Client) -> None:
    kept = matches(client, "Patient")[0]
    known = {"reference": f"Patient/{kept['id']}"}
    made = valid(send(client, order("A-7", subject=known, contained=[])), 201)
    assert made["subject"]["reference"] == f"Patient/{kept['id']}"
    told = {"identifier": {"value": "DEMO-78"}, "display": "Bert Demo"}
    assert valid(send(client, order("A-8", subject=told)), 201)["subject"]["display"] == "Bert Demo"
    for reference in ("#q", "Patient/none", "http://elsewhere.example/Patient/1", ""):
        refused(send(client, order("A-9", subject={"reference": reference, "display": "Bert Demo"})), 400)


def test_what_is_no_order_changes_nothing(client: Client) -> None:
    before = client.ask("/api/v1/worklist").json["total"]
    for body in (
        b"",
        b"{",
        b"[]",
        b"1",
        b'{"resourceType":"Patient"}',
        b"\xff",
        b"[" * 5000,
        b'{"a":' * 200 + b"1" + b"}" * 200,
    ):
        refused(client.ask("/fhir/ServiceRequest", "POST", body, Content_Type=JSON), 400)
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"extension": [deep]}
    for wrong in (
        order(status="fruit"),
        order(status="completed"),
        order(unknown=1),
        order(intent=7),
        order(intent="plan"),
        order(code=[]),
        order(occurrenceDateTime=None),
        order(occurrenceDateTime="2026-13-01"),
        order(performer="CT1"),
        order("A" * 17),
        order(orderDetail=[]),
        {**order(), **deep},
    ):
        refused(send(client, wrong), 400)
    refused(send(client, order(note=[{"text": "x" * (1 << 20)}])), 413)
    refused(client.ask("/fhir/ServiceRequest", "POST", b"<a/>", Content_Type="application/fhir+xml"), 415)
    assert client.ask("/api/v1/worklist").json["total"] == before


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from([*order("x")]), _JSON, min_size=1, max_size=4))
def test_no_resource_is_the_servers_fault(client: Client, changed: dict[str, Any]) -> None:
    answer = send(client, {**order(), **changed, "resourceType": "ServiceRequest"})
    assert answer.status in {201, 400, 409}, (changed, answer.body)
