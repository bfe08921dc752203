"""Legal holds over HTTP: placed, told, released, and in the way of every door."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archimage.dicom.demo import demo_files
from tests.attacks.server import wait_until
from tests.web.serving import Answer, Client, config, serving

POLICY = """
[[rule]]
name = "Lawyers"
everyone = true
allow = [{}]
"""


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A server of the demo images, two slices of each stack."""
    with serving(config(tmp_path / "data")) as found:
        for file in demo_files(slices=2):
            assert found.ask("/instances", "POST", file).status == 200
        yield found


@pytest.fixture
def study(client: Client) -> str:
    """A study."""
    found: str = client.ask("/api/v1/studies?modality=CT").json["items"][0]["study_instance_uid"]
    return found


def place(client: Client, study: str, reason: str = "Case 7") -> Answer:
    """Place a study on hold."""
    body = json.dumps({"reason": reason}).encode()
    return client.ask(f"/api/v1/studies/{study}/hold", "PUT", body, Content_Type="application/json")


def release(client: Client, study: str) -> Answer:
    """Release it."""
    return client.ask(f"/api/v1/studies/{study}/hold?reason=closed", "DELETE")


def doors(client: Client, study: str) -> Iterator[tuple[str, str]]:
    """Yield every address at which something of a study, or its patient, can be deleted."""
    series = client.ask(f"/api/v1/studies/{study}/series").json["items"][0]["series_instance_uid"]
    below = f"/studies/{study}/series/{series}"
    uid = client.ask(f"/api/v1{below}/instances").json["items"][0]["sop_instance_uid"]
    for level in ("Patient", "Study", "Series", "Instance"):
        found = json.dumps({"Level": level, "Query": {"StudyInstanceUID": study}}).encode()
        plural = {"Patient": "patients", "Study": "studies", "Series": "series", "Instance": "instances"}[level]
        yield f"/{plural}/{client.ask('/tools/find', 'POST', found).json[0]}", f"Orthanc's {level}"
    for root in ("/api/v1", "/dicom-web"):
        yield f"{root}/studies/{study}", root
        yield f"{root}{below}", root
    yield f"/dicom-web{below}/instances/{uid}", "/dicom-web"
    yield f"/api/v1/instances/{uid}", "/api/v1"


def told(answer: Answer) -> Any:
    """Return what an answer says, which has to be good."""
    assert answer.status == 200, answer.body
    return answer.json


def test_a_hold_is_placed_told_changed_listed_and_released(client: Client, study: str) -> None:
    path = f"/api/v1/studies/{study}/hold"
    assert told(client.ask(path)) is None
    first = told(place(client, study))
    assert (first["study_instance_uid"], first["reason"]) == (study, "Case 7")
    assert told(client.ask(path)) == first
    assert told(place(client, study, "Case 8")) == {**first, "reason": "Case 8"}
    page = told(client.ask("/api/v1/holds"))
    assert (page["total"], page["items"]) == (1, [{**first, "reason": "Case 8"}])
    assert told(release(client, study))["reason"] == "Case 8"
    assert told(client.ask("/api/v1/holds"))["total"] == 0
    assert release(client, study).status == 404


def test_no_door_deletes_anything_of_a_held_study(client: Client, study: str) -> None:
    place(client, study)
    before = told(client.ask("/api/v1/studies"))
    for path, door in doors(client, study):
        answer = client.ask(path, "DELETE")
        assert answer.status == 409, (door, answer.body)
        assert b"legal hold" in answer.body
    assert told(client.ask("/api/v1/studies")) == before
    release(client, study)
    assert client.ask(f"/dicom-web/studies/{study}", "DELETE").status == 200


def test_no_change_of_a_held_study_begins(client: Client, study: str) -> None:
    place(client, study)
    wanted = {
        "kind": "correct-study",
        "study_instance_uid": study,
        "attributes": {"StudyID": "X"},
        "reason": "typing error",
    }
    for path in ("/api/v1/changes/preview", "/api/v1/changes"):
        answer = client.ask(path, "POST", json.dumps(wanted).encode(), Content_Type="application/json")
        assert answer.status == 409, answer.body
    assert told(client.ask("/api/v1/changes"))["total"] == 0


@pytest.mark.parametrize(
    "body", [b"{}", b'{"reason": ""}', b'{"reason": " "}', b'{"reason": 7}', b'{"why": "x"}', b"["]
)
def test_a_hold_needs_a_reason(client: Client, study: str, body: bytes) -> None:
    path = f"/api/v1/studies/{study}/hold"
    assert client.ask(path, "PUT", body, Content_Type="application/json").status == 400
    assert client.ask(path, "DELETE").status == 400
    assert place(client, "9.9").status == 404


def test_to_hold_is_a_right_of_its_own(client: Client, study: str, tmp_path: Path) -> None:
    policy = tmp_path / "data" / "access.toml"
    policy.write_text(POLICY.format('"query", "delete", "modify", "administer"'))
    assert wait_until(lambda: place(client, study).status in {401, 403}, 20)
    assert client.ask("/api/v1/holds").status in {401, 403}
    assert release(client, study).status in {401, 403}
    assert client.ask(f"/api/v1/studies/{study}/hold").status == 200


def test_the_page_of_a_study_tells_of_its_hold(client: Client, study: str) -> None:
    assert b"Place on hold" in client.ask(f"/studies/{study}", Accept="text/html").body
    place(client, study, "<b>Case 7")
    body = client.ask(f"/studies/{study}", Accept="text/html").body
    assert b"&lt;b&gt;Case 7" in body
    assert b">Release<" in body
