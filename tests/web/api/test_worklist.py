"""The worklist over the management API: entered, changed, followed and removed."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from archimage.model.worklist import WorklistFields
from archimage.web.api.worklist import EntryBody
from tests.web.serving import Answer, Client, config, serving

_ORDER: Final[Mapping[str, Any]] = {
    "patient_name": "Demo^Anna",
    "patient_id": "DEMO-1",
    "accession_number": "ACC1",
    "step_description": "Head",
    "modality": "CT",
    "station_ae_titles": ["CT1", "CT2"],
    "start_date": "20991201",
    "start_time": "0900",
}
_LONG: Final = {"vr": "LT", "Value": ["x" * 40_000]}
_PATH: Final = "/api/v1/worklist"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A server whose worklist is empty."""
    with serving(config(tmp_path), []) as found:
        yield found


def _send(client: Client, path: str, method: str, body: Mapping[str, Any]) -> Answer:
    return client.ask(path, method, json.dumps(body).encode(), Content_Type="application/json")


def _added(client: Client, **changed: Any) -> Any:
    answer = _send(client, _PATH, "POST", {**_ORDER, **changed})
    assert answer.status == 201, answer.body
    assert answer.headers["location"] == f"{_PATH}/{answer.json['entry']['key']}"
    return answer.json["entry"]


def test_fields_that_are_taken_are_those_that_are_told() -> None:
    assert set(EntryBody.model_fields) - {"dataset"} == set(WorklistFields.__dataclass_fields__)


def test_an_entry_is_added_told_and_listed(client: Client) -> None:
    entry = _added(client)
    told = client.ask(f"{_PATH}/{entry['key']}").json
    assert told["entry"] == entry
    assert {**_ORDER, **entry["fields"]} == entry["fields"]
    assert told["dataset"]["00100020"] == {"vr": "LO", "Value": ["DEMO-1"]}
    assert (entry["state"], entry["is_told"], entry["source"]) == ("scheduled", True, "api")
    assert client.ask(_PATH).json == {"items": [entry], "total": 1}


def test_the_same_order_again_is_the_same_entry(client: Client) -> None:
    first, again = _added(client), _added(client, patient_name="Demo^Anna^Maria")
    assert first["fields"]["study_instance_uid"] == again["fields"]["study_instance_uid"]
    assert client.ask(_PATH).json["total"] == 1


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("q=DEMO-2", 1),
        ("q=knee", 1),
        ("station=CT2", 1),
        ("station=CT*", 1),
        ("modality=MR", 1),
        ("date=20991202-", 1),
        ("state=scheduled", 2),
        ("state=started", 0),
    ],
)
def test_what_is_listed_is_narrowed(client: Client, query: str, total: int) -> None:
    _added(client)
    second = {"accession_number": "ACC2", "patient_id": "DEMO-2", "start_date": "20991202", "modality": "MR"}
    _added(client, **second, station_ae_titles=["MR1"], step_description="Knee")
    assert client.ask(f"{_PATH}?{query}").json["total"] == total


def test_fields_that_are_given_are_changed_and_the_rest_stays(client: Client) -> None:
    key = _added(client, dataset={"00102000": {"vr": "LO", "Value": ["pacemaker"]}})["key"]
    answer = _send(client, f"{_PATH}/{key}", "PATCH", {"start_time": "1015", "station_ae_titles": ["CT3"]})
    fields = answer.json["entry"]["fields"]
    assert (fields["start_time"], fields["station_ae_titles"], fields["patient_id"]) == ("1015", ["CT3"], "DEMO-1")
    assert answer.json["dataset"]["00102000"]["Value"] == ["pacemaker"]


def test_a_state_is_set_and_what_is_over_is_not_told(client: Client) -> None:
    key = _added(client)["key"]
    entry = _send(client, f"{_PATH}/{key}/state", "PUT", {"state": "completed"}).json["entry"]
    assert (entry["state"], entry["is_told"]) == ("completed", False)
    assert _send(client, f"{_PATH}/{key}/state", "PUT", {"state": "scheduled"}).json["entry"]["is_told"]


def test_what_is_removed_is_gone(client: Client) -> None:
    place = f"{_PATH}/{_added(client)['key']}"
    assert client.ask(place, "DELETE").status == 204
    assert [client.ask(place, method).status for method in ("GET", "DELETE")] == [404, 404]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({**_ORDER, "patient_id": ""}, 400, "Patient ID"),
        ({**_ORDER, "start_date": "20991301"}, 400, "not a date"),
        ({**_ORDER, "unknown": "1"}, 400, "unknown"),
        ({**_ORDER, "dataset": {"0010zzzz": {}}}, 400, "tag"),
        ({**_ORDER, "dataset": {"00102000": {"vr": "LO", "Value": "text"}}}, 400, "array"),
        (
            {**_ORDER, "dataset": {tag: {"vr": "LT", "Value": ["x" * 40_000]} for tag in ("00104000", "001021B0")}},
            413,
            "bytes",
        ),
        ({**_ORDER, "dataset": {"7FE00010": {"vr": "OW", "BulkDataURI": "http://x"}}}, 400, "cannot be told"),
    ],
)
def test_what_cannot_be_an_entry_is_refused(client: Client, body: Mapping[str, Any], status: int, said: str) -> None:
    answer = _send(client, _PATH, "POST", body)
    assert (answer.status, said in answer.json["error"]) == (status, True), answer.body
    assert client.ask(_PATH).json["total"] == 0


def test_what_cannot_be_listed_is_refused(client: Client) -> None:
    assert [client.ask(f"{_PATH}?{query}").status for query in ("date=today", "state=odd", "limit=9999")] == [400] * 3
