"""Jobs over HTTP: listed, paused, resumed, cancelled and tried again."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.attacks.datasets import new_uid
from tests.attacks.server import wait_until
from tests.interop.peers import free_port
from tests.web.serving import Answer, Client, config, serving
from tests.web.stowing import STUDY, image, store


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server of one study that knows a node which is not there."""
    with serving(config(tmp_path_factory.mktemp("jobs"))) as found:
        uid = new_uid()
        assert store(found.port, [image(uid)]).stored() == [uid]
        gone = {"ae_title": "GONE", "host": "127.0.0.1", "port": free_port()}
        assert post(found, "/nodes", gone).status == 201
        yield found


@pytest.fixture
def number(client: Client) -> int:
    """A sending that was tried once, in vain."""
    task = post(client, "/nodes/GONE/send", {"studies": [STUDY]})
    assert task.status == 202
    number = int(task.json["id"], 16)
    assert wait_until(lambda: one(client, number)["error"] != "", 20)
    return number


def post(client: Client, path: str, body: object = None) -> Answer:
    """Ask for something by the management API."""
    return client.ask(f"/api/v1{path}", "POST", json.dumps(body).encode(), Content_Type="application/json")


def one(client: Client, number: int) -> dict[str, Any]:
    found: dict[str, Any] = client.ask(f"/api/v1/jobs/{number}").json["job"]
    return found


def do(client: Client, number: int, deed: str) -> Answer:
    return client.ask(f"/api/v1/jobs/{number}/{deed}", "POST")


def test_a_job_says_why_it_failed_and_when_it_is_tried_again(client: Client, number: int) -> None:
    told = client.ask(f"/api/v1/jobs/{number}").json
    assert told["payload"]["studies"] == [STUDY]
    job = told["job"]
    assert (job["state"], job["attempts"], job["destination"], job["priority"]) == ("waiting", 1, "GONE", 10)
    assert "Connection refused" in job["error"]
    assert job["next"]
    assert job["due_at"] > job["created_at"]


def test_jobs_are_listed_the_newest_first_and_counted(client: Client, number: int) -> None:
    listed = client.ask("/api/v1/jobs?kind=send&destination=GONE").json
    assert listed[0]["id"] == number
    assert client.ask(f"/api/v1/jobs?before={number + 1}&limit=1").json == listed[:1]
    assert client.ask("/api/v1/jobs?state=done&kind=send").json == []
    assert client.ask("/api/v1/jobs?kind=other").json == []
    assert client.ask("/api/v1/jobs/counts").json["send"]["waiting"] >= 1
    assert client.ask("/api/v1/jobs?state=late").status == 400
    assert client.ask(f"/api/v1/jobs/{number + 999}").status == 404


def test_a_job_is_paused_resumed_cancelled_and_tried_again(client: Client, number: int) -> None:
    assert do(client, number, "pause").json["state"] == "paused"
    assert do(client, number, "retry").status == 409
    assert do(client, number, "resume").json["state"] in {"waiting", "running"}
    assert do(client, number, "resume").status == 409
    assert do(client, number, "cancel").json["state"] == "cancelled"
    assert do(client, number, "pause").status == 409
    assert do(client, number, "retry").json["state"] in {"waiting", "running"}
    assert do(client, number, "cancel").json["state"] == "cancelled"
    assert do(client, number + 999, "cancel").status == 404


def test_what_is_done_with_a_job_stands_in_the_audit_trail(client: Client, number: int) -> None:
    lane = {"kind": "send", "destination": "SOMEWHERE"}
    for deed in ("pause", "resume", "cancel", "retry", "cancel"):
        assert do(client, number, deed).status == 200
    assert post(client, "/jobs/pause", lane).status == post(client, "/jobs/resume", lane).status == 200

    def told() -> list[str]:
        items = client.ask("/api/v1/audit?limit=1000&event=110113").json["items"]
        return [json.dumps(one) for one in items]

    said = [f"job {number} was {deed}" for deed in ("paused", "resumed", "cancelled", "retried")]
    said += [f"all jobs were {deed}: send for SOMEWHERE" for deed in ("paused", "resumed")]
    assert wait_until(lambda: all(any(one in line for line in told()) for one in said), 20), told()
    (line,) = [line for line in told() if said[0] in line]
    assert "127.0.0.1" in line  # who did it, as far as somebody without a name is known


def test_all_for_a_destination_are_paused_and_resumed(client: Client) -> None:
    lane = {"kind": "send", "destination": "ELSEWHERE"}
    assert post(client, "/jobs/pause", lane).json == lane
    assert client.ask("/api/v1/jobs/paused").json == [lane]
    assert post(client, "/jobs/resume", lane).status == 200
    assert post(client, "/jobs/resume", lane).status == 409
    assert client.ask("/api/v1/jobs/paused").json == []


@pytest.mark.parametrize("deed", ["pause", "resume"])
def test_of_a_kind_that_is_not_known_the_known_ones_are_told(client: Client, deed: str) -> None:
    answer = post(client, f"/jobs/{deed}", {"kind": "sned", "destination": "GONE"})
    assert answer.status == 400
    assert b"'sned' is no kind of job" in answer.body
    assert b"retrieve" in answer.body
    assert client.ask("/api/v1/jobs/paused").json == []


def test_jobs_are_tasks_too(client: Client, number: int) -> None:
    name = f"{number:032x}"
    assert name in {task["id"] for task in client.ask("/api/v1/tasks").json}
    told = client.ask(f"/api/v1/tasks/{name}").json
    assert (told["state"], told["kind"]) == ("queued", "send")
    assert "Connection refused" in told["message"]
    assert client.ask(f"/api/v1/tasks/{name}/cancel", "POST").json["state"] == "cancelled"
