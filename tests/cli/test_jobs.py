"""`archimage jobs`: an archive on this machine, whether it runs or not."""

from contextlib import closing
from pathlib import Path

import pytest

from archimage.index.jobs import JobTable
from archimage.index.sqlite import SqliteIndex
from archimage.model.jobs import JobState, NewJob, Origin, Steps
from archimage.ports.jobs import End, Hold, Lane
from tests.attacks.datasets import new_uid
from tests.cli.conftest import Invoke, Result
from tests.web.stowing import image


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An archive of two jobs: one failed, one waits."""
    (tmp_path / "data").mkdir()
    with closing(SqliteIndex(tmp_path / "data" / "index.db")) as index:
        table = JobTable(index)
        failed, _ = table.add([NewJob("send", "Send 3 objects", destination=to) for to in "AB"], Origin(), 1.0)
        assert table.take(Lane("send", "A"), 1, Hold("me", 9.0), 1.0) is not None
        assert table.end(failed, "me", End(JobState.FAILED, 5.0, 1, Steps(1, 3), error="refused", next="look"))
    return tmp_path / "data"


def test_jobs_are_listed_and_shown(archimage: Invoke, data: Path) -> None:
    listed = archimage("jobs", "list", "--json", "--data", data).json
    told = [(job["destination"], job["state"], job["done"]) for job in listed]
    assert told == [("B", "waiting", 0), ("A", "failed", 1)]
    assert archimage("jobs", "list", "--state", "failed", "--for", "B", "--json", "--data", data).json == []
    assert "refused" in archimage("jobs", "list", "--data", data).out
    assert archimage("jobs", "list", "--state", "late", "--data", data).code == 2
    number = listed[1]["id"]
    assert archimage("jobs", "show", number, "--json", "--data", data).json == listed[1]
    assert "look" in archimage("jobs", "show", number, "--data", data).out
    assert archimage("jobs", "show", number + 99, "--data", data).code == 1


def test_jobs_are_paused_resumed_cancelled_and_tried_again(archimage: Invoke, data: Path) -> None:
    def do(deed: str, number: int) -> str:
        done = archimage("jobs", deed, number, "--json", "--data", data)
        return str(done.json["state"]) if done.code == 0 else f"ended with {done.code}"

    waiting, failed = (job["id"] for job in archimage("jobs", "list", "--json", "--data", data).json)
    assert [do(deed, waiting) for deed in ("pause", "resume", "cancel")] == ["paused", "waiting", "cancelled"]
    assert do("pause", waiting) == "ended with 1"
    assert do("retry", failed) == "waiting"
    assert f"job {failed} is cancelled" in archimage("jobs", "cancel", failed, "--data", data).err


def test_a_study_is_to_be_moved_to_a_tier(archimage: Invoke, tmp_path: Path) -> None:
    data, study = tmp_path / "data", "1.2.826.0.1.3680043.8.499.1"
    (tmp_path / "image.dcm").write_bytes(image(new_uid()))
    assert archimage("import", tmp_path / "image.dcm", "--data", data).code == 0
    without = archimage("jobs", "tier", study, "--to", "warm", "--data", data)
    assert (without.code, "the settings name none" in without.err) == (1, True)
    (data / "archimage.toml").write_text(f'[tiers.warm]\ndirectory = "{tmp_path / "warm"}"\n')
    job = archimage("jobs", "tier", study, "--to", "warm", "--json", "--data", data).json
    assert (job["kind"], job["state"], job["payload"]["to"]) == ("tier", "waiting", "warm")


def test_all_of_a_kind_for_a_node_are_paused_and_resumed(archimage: Invoke, data: Path) -> None:
    def do(deed: str, *what: object) -> Result:
        return archimage("jobs", deed, *what, "--data", data)

    assert do("pause", "--kind", "send", "--for", "B", "--json").json == {"kind": "send", "destination": "B"}
    assert "jobs of kind send for B go on" in do("resume", "--kind", "send", "--for", "B").err
    assert do("resume", "--kind", "send", "--for", "B").code == 1
    for deed in ("pause", "resume"):
        wrong = do(deed, "--kind", "sned", "--for", "B")
        assert wrong.code == 1
        assert "'sned' is no kind of job" in wrong.err
        assert "retrieve" in wrong.err
        assert do(deed).code == do(deed, 1, "--kind", "send").code == do(deed, 1, "--for", "B").code == 2


def test_jobs_on_studies_are_asked_for(archimage: Invoke, tmp_path: Path) -> None:
    data, study = tmp_path / "data", "1.2.826.0.1.3680043.8.499.1"
    (tmp_path / "image.dcm").write_bytes(image(new_uid()))
    assert archimage("import", tmp_path / "image.dcm", "--data", data).code == 0
    asked = (
        ("compress", study, "--to", "rle-lossless"),
        ("verify", study),
        ("verify", "--all"),
        ("export", study),
    )
    for command in asked:
        job = archimage("jobs", *command, "--json", "--data", data).json
        assert (job["kind"], job["state"], job["payload"]["objects"]) == (command[0], "waiting", 1)
        assert job["owner"]
    assert "Export 1 objects" in archimage("jobs", "export", study, "--data", data).err
    assert archimage("jobs", "verify", "--data", data).code == 2
    assert archimage("jobs", "verify", study, "--all", "--data", data).code == 2
    assert archimage("jobs", "compress", study, "--to", "zip", "--data", data).code == 1
    assert archimage("jobs", "export", "1.2.3", "--data", data).code == 1
