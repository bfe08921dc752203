"""`/api/v1/performed-steps` and `/api/v1/deliveries`."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from archimage.app import App, build
from archimage.config import HttpConfig
from archimage.config_mpps import MppsConfig
from archimage.index.deliveries import DeliveryTable
from archimage.index.sqlite import SqliteIndex
from archimage.model.worklist import StepState as WorklistState
from archimage.services.datasets import Model, attribute, made, text
from tests.scheduled import order
from tests.services.stepping import STUDY, ended, step, without
from tests.web.serving import Answer, Client, config, serving

_ROOT = "/api/v1"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A server that is to tell a node that nobody knows."""
    settings = config(tmp_path / "data", HttpConfig(port=0))
    with serving(settings.model_copy(update={"mpps": MppsConfig(forward=("RIS",))})) as found:
        yield found


def _send(client: Client, method: str, path: str, body: Any = None) -> Answer:
    data = None if body is None else json.dumps(body).encode()
    return client.ask(_ROOT + path, method, data, Content_Type="application/json")


def test_a_step_is_begun_changed_and_discontinued(client: Client) -> None:
    begun = _send(client, "POST", "/performed-steps", {"dataset": step()})
    assert begun.status == 201
    uid = begun.json["step"]["sop_instance_uid"]
    assert begun.headers["location"] == f"/api/v1/performed-steps/{uid}"
    changed = _send(
        client, "PATCH", f"/performed-steps/{uid}", {"dataset": {"00400254": {"vr": "LO", "Value": ["Head"]}}}
    )
    assert changed.json["step"]["description"] == "Head"
    assert client.ask(f"{_ROOT}/performed-steps/counts").json == {"IN PROGRESS": 1}
    over = _send(client, "POST", f"/performed-steps/{uid}/discontinue")
    assert (over.status, over.json["step"]["state"]) == (200, "DISCONTINUED")
    again = _send(client, "POST", f"/performed-steps/{uid}/discontinue")
    assert (again.status, "may no longer be updated" in again.json["error"]) == (409, True)
    (listed,) = client.ask(f"{_ROOT}/performed-steps?state=DISCONTINUED&study={STUDY}&modality=MR").json
    assert (listed["patient_name"], listed["accession_number"]) == ("Demo^MR", "A-1")
    assert client.ask(f"{_ROOT}/performed-steps?patient_id=nobody").json == []


def test_what_is_missing_is_told(client: Client) -> None:
    uid = "1.2.3.9"
    _send(client, "POST", "/performed-steps", {"sop_instance_uid": uid, "dataset": step()})
    done = _send(client, "PATCH", f"/performed-steps/{uid}", {"dataset": ended(["1.2.9.1", "1.2.9.2"])}).json
    assert (done["step"]["instances"], done["step"]["kept"]) == (2, 0)
    assert done["series"][0]["missing"] == ["1.2.9.1", "1.2.9.2"]
    assert done["dataset"]["00400252"]["Value"] == ["COMPLETED"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"dataset": without(step(), 0x00400270)}, 409),
        ({"dataset": step(), "sop_instance_uid": "x"}, 400),
        ({"dataset": {**step(), "00400253": {"vr": "SH", "Value": [{"a": 1}]}}}, 400),
        ({"dataset": {"nonsense": 1}}, 400),
        ({}, 400),
    ],
)
def test_what_is_no_step_is_refused(client: Client, body: object, status: int) -> None:
    assert _send(client, "POST", "/performed-steps", body).status == status
    assert client.ask(f"{_ROOT}/performed-steps").json == []


def test_what_is_not_known_is_not_found(client: Client) -> None:
    assert client.ask(f"{_ROOT}/performed-steps/1.2").status == 404
    assert client.ask(f"{_ROOT}/performed-steps/x").status == 400
    assert _send(client, "PATCH", "/performed-steps/1.2", {"dataset": ended()}).status == 404
    assert client.ask(f"{_ROOT}/deliveries/7").status == 404
    assert _send(client, "POST", "/deliveries/7/retry").status == 404
    assert _send(client, "DELETE", "/deliveries/7").status == 404


def test_deliveries_are_listed_tried_again_and_removed(client: Client, tmp_path: Path) -> None:
    _send(client, "POST", "/performed-steps", {"sop_instance_uid": "1.2.3.9", "dataset": step()})
    (one,) = client.ask(f"{_ROOT}/deliveries?kind=mpps-create&state=waiting").json
    assert (one["destination"], one["about"], one["attempts"], one["priority"]) == ("RIS", "1.2.3.9", 0, 5)
    assert client.ask(f"{_ROOT}/deliveries/counts").json == {"mpps-create": {"waiting": 1}}
    detail = client.ask(f"{_ROOT}/deliveries/{one['id']}").json
    assert json.loads(detail["payload"])["00400253"]["Value"] == ["PPS-1"]
    assert _send(client, "POST", f"/deliveries/{one['id']}/retry").status == 409
    assert _send(client, "POST", f"/deliveries/{one['id']}/pause").json["state"] == "paused"
    assert [held["id"] for held in client.ask(f"{_ROOT}/deliveries?state=paused").json] == [one["id"]]
    assert _send(client, "POST", f"/deliveries/{one['id']}/pause").status == 409
    assert _send(client, "POST", f"/deliveries/{one['id']}/resume").json["state"] == "waiting"
    assert _send(client, "POST", f"/deliveries/{one['id']}/resume").status == 409
    with closing(SqliteIndex(tmp_path / "data" / "index.db")) as index:
        DeliveryTable(index).give_up(one["id"], 1.0, "RIS refuses it")
    (failed,) = client.ask(f"{_ROOT}/deliveries?state=failed").json
    assert failed["error"] == "RIS refuses it"
    assert _send(client, "POST", f"/deliveries/{one['id']}/retry").json["state"] == "waiting"
    assert _send(client, "DELETE", f"/deliveries/{one['id']}").status == 204
    assert client.ask(f"{_ROOT}/deliveries").json == []


def test_metrics_count_what_waits(client: Client) -> None:
    _send(client, "POST", "/performed-steps", {"sop_instance_uid": "1.2.3.9", "dataset": step()})
    told = client.ask("/metrics").body.decode()
    assert 'pacs_deliveries{kind="mpps-create",state="waiting"} 1' in told
    assert 'pacs_deliveries{kind="availability",state="failed"} 0' in told


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """An open archive."""
    with closing(build(config(tmp_path / "data"))) as found:
        yield found


def _scheduled(study: str) -> Model:
    """Return the first step of a performed one, as it names an entry of the worklist by its study alone."""
    return {**step(), "00400270": {"vr": "SQ", "Value": [made(attribute(0x0020000D, study))]}}


def test_the_entry_of_the_worklist_goes_on_with_its_step(app: App) -> None:
    worklist, steps = app.department.worklist.service, app.department.performed.service
    kept = worklist.put(order(), source="test")
    steps.create("1.2.3.9", _scheduled(text(kept.model, 0x0020000D)))
    assert worklist.get(kept.key).state is WorklistState.STARTED
    steps.change("1.2.3.9", ended(["1.2.9.1"]))
    assert worklist.get(kept.key).state is WorklistState.COMPLETED


def test_what_a_crash_kept_from_the_worklist_it_hears_at_the_next_start(app: App) -> None:
    worklist, steps = app.department.worklist.service, app.department.performed.service
    kept = worklist.put(order(), source="test")
    steps.listeners, listeners = [], steps.listeners
    steps.create("1.2.3.9", _scheduled(text(kept.model, 0x0020000D)))
    assert worklist.get(kept.key).state is WorklistState.SCHEDULED
    steps.listeners = listeners
    steps.remind(0.0)
    assert worklist.get(kept.key).state is WorklistState.STARTED
