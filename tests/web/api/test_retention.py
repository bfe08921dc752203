"""Rules of retention and the quota over HTTP."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from archimage.app import build
from archimage.config import Config
from archimage.config_retention import RetentionConfig
from archimage.dicom.demo import demo_files
from archimage.model.attributes import Level
from archimage.services.audit_messages import Peer, peer
from tests.attacks.server import wait_until
from tests.services.archive import records
from tests.web.serving import Client, config, serving

RULES = {
    "rule": [
        {"name": "Teaching stays", "action": "keep", "labels": ["teaching"]},
        {"name": "Old", "action": "delete", "older_than_days": 30},
    ],
    "studies_per_minute": 100_000,
}


def settings(directory: Path, rules: dict[str, Any], quota_bytes: int = 0) -> Config:
    """Return settings with rules and a quota."""
    made = config(directory)
    storage = made.storage.model_copy(update={"quota_bytes": quota_bytes})
    return made.model_copy(update={"storage": storage, "retention": RetentionConfig.model_validate(rules)})


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A server of two patients of two studies of three instances, which came long ago; one is labelled."""
    with serving(settings(tmp_path / "data", RULES), records()) as found:
        assert found.ask("/api/v1/studies/1.2/labels/teaching", "PUT").status == 200
        yield found


def status(client: Client) -> Any:
    """Return what is told of retention."""
    answer = client.ask("/api/v1/retention")
    assert answer.status == 200, answer.body
    return answer.json


def plan(client: Client) -> Any:
    """Have a plan made."""
    task = client.ask("/api/v1/retention/plan", "POST")
    assert task.status == 202
    address = f"/api/v1/tasks/{task.json['id']}"
    assert wait_until(lambda: client.ask(address).json["state"] == "done", 20)
    return client.ask(address).json["result"]


def test_rules_are_told_as_the_settings_have_them(client: Client) -> None:
    told = status(client)
    assert told["rules"] == RULES["rule"]
    assert (told["automatic"], told["spare_days"], told["runs"], told["quota_bytes"]) == (False, 7.0, [], 0)


def test_a_plan_is_the_result_of_a_task_and_deletes_nothing(client: Client) -> None:
    found = plan(client)
    assert found["looked"] == 4
    assert [(one["name"], one["studies"], one["deleted"]) for one in found["rules"]] == [
        ("Teaching stays", 1, 0),
        ("Old", 3, 3),
    ]
    assert [one["study_instance_uid"] for one in found["studies"]] == ["1.0", "1.1", "1.3"]
    assert client.ask("/api/v1/studies").json["total"] == 4


def test_what_somebody_has_just_looked_at_or_been_sent_stays(tmp_path: Path) -> None:
    made = settings(tmp_path / "data", RULES)
    with serving(made, records()) as server:
        assert server.ask("/studies/1.3", Accept="text/html").status == 200
        assert server.ask("/api/v1/studies?patient_id=P0").status == 200  # to be found is not to be looked at
        assert server.ask("/dicom-web/studies/1.0/series/9.9/metadata").status == 404
    with closing(build(made)) as archive:  # which finds what the first has written in its end
        receiver = peer(Peer("WORKSTATION"), requestor=True)
        archive.auditing.service.sending(receiver, {Level.STUDY: ("1.1",)})
        assert wait_until(lambda: archive.keeping.retention.notes.waiting == 1, 20)
    with closing(build(made)) as archive:
        stays = {one.study_instance_uid: one.stays for one in archive.keeping.retention.plan().studies}
        assert stays == {"1.0": "", "1.1": "used lately", "1.2": "", "1.3": "used lately"}


def test_without_rules_there_is_nothing_to_run(tmp_path: Path) -> None:
    with serving(config(tmp_path / "data"), records()) as bare:
        assert bare.ask("/api/v1/retention/run", "POST").status == 400
        assert bare.ask("/api/v1/retention/stop", "POST").status == 409
        assert plan(bare)["rules"] == []


def test_a_run_that_is_asked_for_waits_for_a_process_that_serves(client: Client) -> None:
    first = client.ask("/api/v1/retention/run", "POST")
    assert (first.status, first.json["state"]) == (202, "running")
    assert client.ask("/api/v1/retention/run", "POST").json["number"] == first.json["number"]
    assert client.ask("/api/v1/retention/stop", "POST").json["state"] == "stopped"
    assert [one["state"] for one in status(client)["runs"]] == ["stopped"]


@pytest.mark.parametrize(("quota_bytes", "taken"), [(1200, False), (10_000_000, True)])
def test_with_the_quota_reached_objects_are_refused_and_health_tells(
    tmp_path: Path, quota_bytes: int, taken: bool
) -> None:
    file = next(iter(demo_files(slices=2)))
    with closing(build(config(tmp_path / "data"))) as archive:
        archive.index.add(list(records()))  # twelve of 100 bytes
    with serving(settings(tmp_path / "data", {}, quota_bytes)) as server:
        answers = server.ask("/instances", "POST", file), server.ask("/health")
        kept = status(server)["kept_bytes"]
    if taken:
        assert [one.status for one in answers] == [200, 200]
        assert kept > 1200 + len(file) // 2
    else:
        assert [one.status for one in answers] == [507, 503]
        assert kept == 1200
