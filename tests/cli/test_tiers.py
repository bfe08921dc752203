"""Tiers as whoever runs an archive meets them: planned, moved, killed at it, gone on with; told, and not to be lost."""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from archimage.app import build
from archimage.config import Config
from archimage.index.sqlite import SqliteIndex
from archimage.index.tiers import TierTable
from archimage.model.tiers import tier_of
from archimage.settings import load
from tests.attacks.datasets import SERIES_INSTANCE_UID, STUDY_INSTANCE_UID, dataset
from tests.attacks.server import wait_until
from tests.cli.conftest import Invoke
from tests.services.parts import expected

STUDIES, EACH = 6, 3
RULES = """
[tiers.warm]
directory = "{warm}"

[retention]
studies_per_minute = 100000
spare_days = 0
move_bytes_per_s = {bytes_per_s}

[[retention.rule]]
name = "Warm"
action = "move"
to = "warm"
modalities = ["CT"]
"""


def study(number: int) -> str:
    """UID of a study."""
    return f"1.2.3.{number}"


def settings(data: Path) -> Config:
    """Read what is written there."""
    return load({"storage": {"directory": str(data)}}, {})


def write(data: Path, bytes_per_s: int = 0) -> None:
    """Write the settings."""
    (data / "archimage.toml").write_text(RULES.format(warm=data.parent / "warm", bytes_per_s=bytes_per_s))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An archive of some studies; one is on hold."""
    data = tmp_path / "data"
    data.mkdir()
    write(data)
    with closing(build(settings(data))) as archive:
        for number in range(STUDIES):
            for each in range(EACH):
                uid = f"{study(number)}.1.{each}"
                uids = {STUDY_INSTANCE_UID: study(number), SERIES_INSTANCE_UID: f"{study(number)}.1"}
                replaced = {tag: value.encode() for tag, value in uids.items()}
                sent = dataset(uid, pixels=bytes(100_000), replaced=replaced)
                archive.services.store.store(expected(uid), [sent])
        archive.keeping.holds.place(study(0), "Case 7")
    return data


def rows(data: Path) -> Mapping[str, str]:
    """Map each instance to its path."""
    with closing(SqliteIndex(data / "index.db")) as index:
        return {row.sop_instance_uid: row.path for page in index.all_instances() for row in page}


def assert_whole(data: Path) -> None:
    """Open the archive alone, after which nothing is left that no row names; everything is what came."""
    with closing(build(settings(data), alone=True)) as archive:
        paths = set(rows(data).values())
        assert wait_until(lambda: set(archive.blobs.paths()) == paths, 20)
    done = subprocess.run(
        [sys.executable, "-m", "archimage", "index", "verify", "--digests", "--data", str(data)],
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done


def test_what_is_planned_is_moved_told_and_what_is_held_stays(archimage: Invoke, data: Path) -> None:
    planned = archimage("retention", "plan", "--json", "--data", data).json
    (rule,) = planned["rules"]
    assert (rule["action"], rule["to"], rule["studies"], rule["moved"]) == ("move", "warm", STUDIES, STUDIES - 1)
    assert "move to warm" in archimage("retention", "plan", "--data", data).out
    ran = archimage("retention", "run", "--json", "--data", data)
    assert ran.code == 0, ran.err
    told = {name: ran.json[name] for name in ("deleted", "moved", "moved_bytes", "held", "failed")}
    assert told == {"deleted": 0, "moved": STUDIES - 1, "moved_bytes": rule["moved_bytes"], "held": 1, "failed": 0}
    lies = {uid: tier_of(path) for uid, path in rows(data).items()}
    assert {uid for uid, tier in lies.items() if tier == "hot"} == {f"{study(0)}.1.{each}" for each in range(EACH)}
    found = archimage("audit", "search", "--user", "retention rule Warm", "--json", "--data", data).json
    assert found["total"] == STUDIES - 1
    again = archimage("retention", "run", "--json", "--data", data).json
    assert (again["moved"], again["held"], again["failed"]) == (0, 1, 0)
    with closing(SqliteIndex(data / "index.db")) as index:
        uses = {use.tier: (use.studies, use.instances) for use in TierTable(index).uses()}
    assert uses == {"hot": (1, EACH), "warm": (STUDIES - 1, (STUDIES - 1) * EACH)}
    assert_whole(data)


def test_a_run_that_is_killed_leaves_every_object_and_is_gone_on_with(archimage: Invoke, data: Path) -> None:
    write(data, bytes_per_s=1_000_000)  # 100 KB objects: some are being copied at any instant
    command = [sys.executable, "-m", "archimage", "retention", "run", "--data", str(data)]
    for moved in (1, EACH * 2):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            warm = data.parent / "warm"
            assert wait_until(lambda: sum(1 for _ in warm.rglob("*.dcm")) > moved, 60)  # noqa: B023
        finally:
            process.kill()
            process.wait()
        before = rows(data)
        assert len(before) == STUDIES * EACH
        for path in before.values():
            place = data / "objects" if tier_of(path) == "hot" else warm
            assert (place / path).is_file()
    write(data)
    ran = archimage("retention", "run", "--json", "--data", data).json
    assert (ran["number"], ran["state"], ran["failed"]) == (1, "done", 0)
    assert sorted(map(tier_of, rows(data).values())) == ["hot"] * EACH + ["warm"] * (STUDIES - 1) * EACH
    with closing(SqliteIndex(data / "index.db")) as index:
        assert not TierTable(index).has_copies
    assert_whole(data)


def test_a_tier_that_holds_something_cannot_be_left_out_of_the_settings(archimage: Invoke, data: Path) -> None:
    archimage("retention", "run", "--data", data)
    written = (data / "archimage.toml").read_text()
    (data / "archimage.toml").unlink()
    refused = archimage("index", "verify", "--data", data)
    assert refused.code != 0
    assert "tiers.warm" in refused.err
    home = written.replace('name = "Warm"', 'name = "Home"').replace('to = "warm"', 'to = "hot"')
    (data / "archimage.toml").write_text(home)
    assert archimage("retention", "run", "--json", "--data", data).json["moved"] == STUDIES - 1
    with closing(build(settings(data), alone=True)) as archive:
        archive.tiers.start()
        warm = data.parent / "warm"  # of which directories go while it is walked
        assert wait_until(lambda: not any(name.endswith(".dcm") for *_, names in os.walk(warm) for name in names), 20)
        assert wait_until(lambda: not list((data / "tier-removed").iterdir()), 20)
    (data / "archimage.toml").unlink()
    assert archimage("index", "verify", "--data", data).code == 0


def test_scrubbing_passes_over_a_tier_that_is_away_and_tells_it(archimage: Invoke, data: Path) -> None:
    archimage("retention", "run", "--data", data)
    elsewhere = (data.parent / "warm").rename(data.parent / "unmounted")
    away = archimage("scrub", "--json", "--data", data)
    told = {name: away.json[name] for name in ("objects", "unread", "damaged", "remaining")}
    assert told == {"objects": EACH, "unread": (STUDIES - 1) * EACH, "damaged": 0, "remaining": 0}
    assert (away.code, list(away.json["away"])) == (1, ["warm"])
    assert "tier warm: tier warm is away" in archimage("scrub", "--data", data).err
    elsewhere.rename(data.parent / "warm")
    again = archimage("scrub", "--json", "--data", data)
    assert (again.code, again.json["objects"], again.json["unread"]) == (0, STUDIES * EACH, 0)


def test_a_verification_goes_on_without_a_tier_that_is_away_and_tells_it(archimage: Invoke, data: Path) -> None:
    archimage("retention", "run", "--data", data)
    (data / "objects" / "stray.dcm").write_bytes(b"stray")
    elsewhere = (data.parent / "warm").rename(data.parent / "unmounted")
    away = archimage("index", "verify", "--digests", "--json", "--data", data)
    left_out = (STUDIES - 1) * EACH
    told = {name: away.json[name] for name in ("instances", "unread", "missing", "damaged", "orphans")}
    assert told == {"instances": EACH, "unread": left_out, "missing": [], "damaged": [], "orphans": ["stray.dcm"]}
    assert (away.code, away.json["away"]["warm"]["unread"]) == (1, left_out)
    (data / "objects" / "stray.dcm").unlink()
    again = archimage("index", "verify", "--data", data)
    assert (again.code, f"tier warm: {left_out} objects left out: tier warm is away" in again.err) == (1, True)
    elsewhere.rename(data.parent / "warm")
    back = archimage("index", "verify", "--json", "--data", data)
    assert (back.code, back.json["unread"], back.json["away"]) == (0, 0, {})


def test_a_backup_holds_what_was_moved_and_is_restored_where_objects_come_in(
    archimage: Invoke, data: Path, tmp_path: Path
) -> None:
    archimage("retention", "run", "--data", data)
    before = rows(data)
    assert archimage("backup", tmp_path / "backups", "--data", data).code == 0
    restored = tmp_path / "restored"
    answer = archimage("restore", tmp_path / "backups", "--data", restored)
    assert answer.code == 0, answer.err
    assert rows(restored).keys() == before.keys()
    assert {tier_of(path) for path in rows(restored).values()} == {"hot"}
    (restored / "archimage.toml").unlink(missing_ok=True)
    assert_whole(restored)
    assert len(list((tmp_path / "warm").rglob("*.dcm"))) == (STUDIES - 1) * EACH
