"""`archimage retention`: planned, carried out, and gone on with after a kill."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from archimage.app import build
from archimage.config import Config, StorageConfig
from archimage.index.relational import RelationalIndex
from archimage.index.sqlite import SqliteIndex
from tests.attacks.server import wait_until
from tests.cli.conftest import Invoke
from tests.contract.index_contract import record

STUDIES = 300
RULES = """
[retention]
studies_per_minute = 3000

[[retention.rule]]
name = "CT goes"
action = "delete"
older_than_days = 365
modalities = ["CT"]
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An archive of studies of CT and MR in turn, each of one object, and rules about the first; one is on hold."""
    data = tmp_path / "data"
    with closing(build(Config(storage=StorageConfig(directory=data)))) as archive:
        records = [
            record("P", number, 1, 1, modality=("CT", "MR")[number % 2], study_date="20200101")
            for number in range(STUDIES)
        ]
        for one in records:
            archive.blobs.put(one.path, b"object")
        archive.index.add([replace(one, received_at=1e9) for one in records])
        archive.keeping.holds.place("1.20", "Case 7")
    (data / "archimage.toml").write_text(RULES)
    return data


def test_a_plan_names_rules_and_studies_and_a_run_carries_it_out(archimage: Invoke, data: Path) -> None:
    planned = archimage("retention", "plan", "--limit", "15", "--json", "--data", data).json
    going, left = STUDIES // 2 - 1, STUDIES // 2 + 1
    about = {"name": "CT goes", "action": "delete", "when_full": False}
    found = {"studies": going + 1, "deleted": going, "deleted_bytes": 1001 * going, "moved": 0, "moved_bytes": 0}
    assert planned["rules"] == [{**about, **found, "to": ""}]
    assert {one["stays"] for one in planned["studies"]} == {"", "on legal hold"}
    shown = archimage("retention", "plan", "--data", data).out
    assert "CT goes" in shown
    assert "on legal hold" in shown
    ran = archimage("retention", "run", "--json", "--data", data)
    assert ran.code == 0
    assert (ran.json["deleted"], ran.json["held"], ran.json["state"]) == (going, 1, "done")
    files = [path.name for path in (data / "objects").rglob("*.dcm")]
    assert len(files) == left
    assert "1.20.1.1.dcm" in files
    told = archimage("audit", "search", "--user", "retention rule CT goes", "--limit", "1000", "--json", "--data", data)
    assert told.json["total"] == going


def test_a_run_that_is_killed_is_gone_on_with(archimage: Invoke, data: Path) -> None:
    command = [sys.executable, "-m", "archimage", "retention", "run", "--data", str(data)]
    with closing(SqliteIndex(data / "index.db")) as index:
        for left in (STUDIES - 20, STUDIES - 60):
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            try:
                assert wait_until(lambda: index.counts().studies < left, 60)  # noqa: B023
            finally:
                process.kill()
                process.wait()
            assert index.counts().studies > STUDIES // 2 + 1
    ran = archimage("retention", "run", "--json", "--data", data).json
    assert (ran["number"], ran["state"], ran["held"]) == (1, "done", 1)
    with closing(build(Config(storage=StorageConfig(directory=data)))) as archive:
        kept = set(_studies(archive.index))
        assert kept == {"1.20", *(f"1.{number}" for number in range(1, STUDIES, 2))}
        rows = {one.path for page in archive.index.all_instances() for one in page}
        assert wait_until(lambda: set(archive.blobs.paths()) == rows, 20)


def test_without_rules_a_run_says_what_to_do(archimage: Invoke, tmp_path: Path) -> None:
    ran = archimage("retention", "run", "--data", tmp_path / "empty")
    assert ran.code == 1
    assert "[[retention.rule]]" in ran.err


def _studies(index: RelationalIndex) -> Iterator[str]:
    for (uid,) in index.fetch("SELECT study_instance_uid FROM study", {}):
        yield uid
