"""Work items over HTTP: the statuses and warnings of PS3.18 §11, whatever the form of the data sets."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from archimage.dicom.xml import model_xml
from archimage.model.ids import new_uid
from archimage.services.datasets import Model, attribute, made
from tests.web.serving import Answer, Client, config, serving
from tests.workitems import discontinued, new_item, performed

ROOT = "/dicom-web/workitems"
MINE, YOURS = "1.2.3.1", "1.2.3.2"
GLOBAL = "1.2.840.10008.5.1.4.34.5"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """An empty archive."""
    with serving(config(tmp_path_factory.mktemp("ups"))) as found:
        yield found


def ask(client: Client, path: str, method: str, model: Any = None, kind: str = "application/dicom+json") -> Answer:
    """Send a data set."""
    body = None if model is None else model if isinstance(model, bytes) else json.dumps(model).encode()
    return client.ask(f"{ROOT}{path}", method, body, Content_Type=kind)


def create(client: Client, **more: str) -> str:
    """Make a work item."""
    uid = new_uid()
    assert ask(client, f"?{uid}", "POST", [new_item(**more)]).status == 201
    return uid


def state(client: Client, uid: str, wanted: str, transaction: str = MINE) -> Answer:
    """Have the state of a work item changed."""
    change = made(attribute(0x00741000, wanted), attribute(0x00081195, transaction))
    return ask(client, f"/{uid}/state", "PUT", [change])


def told(answer: Answer) -> str:
    """Return the text of the one warning."""
    return answer.headers.get("warning", "").partition(": ")[2]


def test_a_work_item_is_made_under_the_uid_of_the_address(client: Client) -> None:
    uid = new_uid()
    answer = ask(client, f"?{uid}", "POST", [new_item()])
    assert (answer.status, answer.body) == (201, b"")
    assert answer.headers["location"].endswith(f"{ROOT}/{uid}")
    assert "warning" not in answer.headers
    again = ask(client, f"?{uid}", "POST", [new_item()])
    assert (again.status, told(again)) == (409, "The Workitem already exists.")


def test_without_a_uid_the_server_makes_one(client: Client) -> None:
    answer = ask(client, "", "POST", new_item())
    path = answer.headers["location"].partition(ROOT)[2]
    assert path.startswith("/2.25.")
    assert client.ask(ROOT + path).status == 200


def test_what_was_filled_in_is_told(client: Client) -> None:
    model = {name: value for name, value in new_item().items() if name != "00380010"}
    answer = ask(client, f"?AffectedSOPInstanceUID={new_uid()}", "POST", [model])
    assert (answer.status, told(answer)) == (201, "The Workitem was created with modifications.")


@pytest.mark.parametrize("kind", ["application/dicom+json", "application/json", "application/dicom+xml"])
def test_it_is_given_in_each_form_and_never_with_its_transaction_uid(client: Client, kind: str) -> None:
    uid = create(client)
    state(client, uid, "IN PROGRESS")
    answer = client.ask(f"{ROOT}/{uid}", Accept=kind)
    assert (answer.status, answer.headers["content-type"]) == (200, kind)
    assert b"IN PROGRESS" in answer.body
    assert b"00081195" not in answer.body


def test_it_is_given_as_a_part(client: Client) -> None:
    kind = 'multipart/related; type="application/dicom+xml"'
    answer = client.ask(f"{ROOT}/{create(client)}", Accept=kind)
    assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (200, "multipart/related")
    assert answer.body.count(b"<NativeDicomModel") == 1


def test_it_is_taken_as_xml(client: Client) -> None:
    uid = new_uid()
    assert ask(client, f"?{uid}", "POST", model_xml(new_item()), "application/dicom+xml").status == 201
    (found,) = client.ask(f"{ROOT}/{uid}").json
    assert found["00100010"]["Value"] == [{"Alphabetic": "Demo^CT"}]


def test_a_work_item_goes_its_way(client: Client) -> None:
    uid = create(client)
    assert state(client, uid, "IN PROGRESS").status == 200
    assert ask(client, f"/{uid}?transaction-uid={MINE}", "POST", [performed()]).status == 200
    assert state(client, uid, "COMPLETED").status == 200
    again = state(client, uid, "COMPLETED")
    assert (again.status, told(again)) == (200, "The UPS is already in the requested state of COMPLETED.")


def test_what_does_not_go_with_its_state_is_refused(client: Client) -> None:
    uid = create(client)
    inconsistent = "The submitted request is inconsistent with the state of the UPS Instance."
    assert (state(client, uid, "COMPLETED").status, told(state(client, uid, "COMPLETED"))) == (409, inconsistent)
    assert state(client, uid, "SCHEDULED").status == 400
    missing = state(client, uid, "IN PROGRESS", "")
    assert (missing.status, told(missing)) == (400, "The Transaction UID is missing.")
    unclaimed = ask(client, f"/{uid}?{MINE}", "POST", [performed()])
    assert (unclaimed.status, told(unclaimed)) == (409, "The target URI did not reference a claimed Workitem.")
    state(client, uid, "IN PROGRESS")
    assert state(client, uid, "IN PROGRESS").status == 409
    second = state(client, uid, "IN PROGRESS", YOURS)
    assert (second.status, told(second)) == (400, "The Transaction UID is incorrect.")
    assert state(client, uid, "COMPLETED").status == 409
    wrong = ask(client, f"/{uid}?{YOURS}", "POST", [performed()])
    inconsistent = "The submitted request is inconsistent with the current state of the Workitem."
    assert (wrong.status, told(wrong)) == (400, inconsistent)
    assert ask(client, f"/{uid}?{MINE}", "POST", [discontinued()]).status == 200
    assert state(client, uid, "CANCELED").status == 200
    over = ask(client, f"/{uid}?{MINE}", "POST", [performed()])
    assert (over.status, told(over)) == (400, inconsistent)
    unknown = client.ask(f"{ROOT}/1.2.9")
    assert (unknown.status, told(unknown)) == (404, "The Target Workitem was not found.")


def test_who_asks_has_it_cancelled_or_is_told_why_not(client: Client) -> None:
    uid = create(client)
    reason = [made(attribute(0x00741238, "Not needed"))]
    assert ask(client, f"/{uid}/cancelrequest", "POST", reason).status == 202
    again = ask(client, f"/{uid}/cancelrequest/ASKER", "POST", reason)
    assert (again.status, told(again)) == (409, "The UPS is already in the requested state of CANCELED.")
    claimed = create(client)
    state(client, claimed, "IN PROGRESS")
    refused = ask(client, f"/{claimed}/cancelrequest", "POST", reason)
    assert (refused.status, told(refused)) == (409, "The performer cannot be contacted.")


def test_work_items_are_found(client: Client) -> None:
    first, second = create(client, patient_id="SEARCH"), create(client, patient_id="SEARCH")
    state(client, second, "IN PROGRESS")

    def found(query: str) -> list[str]:
        return [item["00080018"]["Value"][0] for item in client.ask(f"{ROOT}?PatientID=SEARCH&{query}").json]

    assert found("") == [first, second]
    assert found("ProcedureStepState=SCHEDULED") == [first]
    assert found("00741000=IN%20PROGRESS") == [second]
    assert found("ScheduledStationNameCodeSequence.CodeValue=READING1&limit=1") == [first]
    assert found("offset=1") == [second]
    assert found("ScheduledProcedureStepStartDateTime=20290101-20291231") == []
    more = client.ask(f"{ROOT}?PatientID=SEARCH&limit=1")
    assert told(more) == "There are additional results that can be requested."
    parts = client.ask(f"{ROOT}?PatientID=SEARCH", Accept='multipart/related; type="application/dicom+xml"')
    assert parts.body.count(b"<NativeDicomModel") == 2
    none = client.ask(f"{ROOT}?PatientID=NONE", Accept='multipart/related; type="application/dicom+xml"')
    assert none.status == 204


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/dicom+json", 400),
        (b"[]", "application/dicom+json", 400),
        (b"[{},{}]", "application/dicom+json", 400),
        (b"<a>", "application/dicom+xml", 400),
        (b"x", "text/plain", 415),
        (b'[{"00404021":{"vr":"UT","BulkDataURI":"http://x/"}}]', "application/json", 400),
        (b'[{"00741200":{"vr":"CS","Value":[{}]}}]', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
    ],
)
def test_what_is_no_data_set_makes_nothing(client: Client, body: bytes, kind: str, status: int) -> None:
    before = client.ask(f"{ROOT}?ProcedureStepState=SCHEDULED").body
    assert ask(client, "", "POST", body, kind).status == status
    assert client.ask(f"{ROOT}?ProcedureStepState=SCHEDULED").body == before


def test_what_is_too_long_is_refused_before_it_comes(client: Client) -> None:
    head = f"POST {ROOT} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {2 << 20}\r\n\r\n"
    assert client.raw(head.encode()).startswith(b"HTTP/1.1 413 ")


def test_a_missing_attribute_is_named(client: Client) -> None:
    model: Model = {name: value for name, value in new_item().items() if name != "00741204"}
    answer = ask(client, "", "POST", [model])
    assert (answer.status, answer.json["error"]) == (400, "ProcedureStepLabel is missing")


def test_subscriptions_are_answered_with_where_events_are_told(client: Client) -> None:
    uid = create(client)
    answer = ask(client, f"/{uid}/subscribers/WATCHER?deletionlock=true", "POST")
    assert answer.status == 201
    assert answer.headers["content-location"] == f"ws://127.0.0.1:{client.port}/dicom-web/subscribers/WATCHER"
    assert ask(client, f"/{GLOBAL}/subscribers/WATCHER", "POST").status == 201
    assert ask(client, f"/{GLOBAL}/subscribers/WATCHER/suspend", "POST").status == 200
    assert ask(client, f"/{uid}/subscribers/WATCHER/suspend", "POST").status == 400
    assert ask(client, f"/{GLOBAL}/subscribers/WATCHER/suspend", "POST").status == 404
    assert ask(client, f"/{GLOBAL}/subscribers/WATCHER", "DELETE").status == 200
    assert ask(client, f"/{GLOBAL}/subscribers/WATCHER", "DELETE").status == 404
    assert ask(client, f"/{uid}/subscribers/WATCHER", "DELETE").status == 404
    assert ask(client, "/1.2.9/subscribers/WATCHER", "POST").status == 404
    assert ask(client, f"/{uid}/subscribers/{'X' * 17}", "POST").status == 400
    assert client.ask("/dicom-web/subscribers/WATCHER").status == 426
