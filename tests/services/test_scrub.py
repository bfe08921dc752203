"""Scrubbing finds what a disk has lost, mends what there is a second copy of, and tells the rest until it is well."""

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from archimage.app import App
from archimage.automation.scrubbing import Scrubbable, Scrubbing
from archimage.config_scrub import ScrubConfig
from archimage.errors import ConfigError, IntegrityError
from archimage.model.scrub import Round
from archimage.services.scrub import NoCopies, Pace, Scrubbed, Scrubber
from archimage.services.store import Expected
from archimage.storage.lanes import Turn
from tests.attacks.datasets import dataset
from tests.attacks.wire import CT
from tests.services.keeping import DAMAGES, EXPLICIT, Meddling, back_up, objects_of, opened, path_of, store

DAY_S = 86_400.0


class Heard:
    """Hears what the audit trail is told."""

    def __init__(self) -> None:
        self.damage: list[str] = []
        self.mending: list[str] = []
        self.ends: Scrubbing | None = None
        """What ends once damage is heard of."""

    def damaged(self, sop_instance_uid: str, fault: str) -> None:
        """Hear of damage."""
        assert fault
        self.damage.append(sop_instance_uid)
        if self.ends is not None:
            self.ends.close()

    def mended(self, sop_instance_uid: str, fault: str) -> None:
        """Hear of its end."""
        assert fault
        self.mending.append(sop_instance_uid)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """An open archive, which does not scrub by itself."""
    with opened(tmp_path / "data") as archive:
        yield archive


def scrubbing(app: App, clock: list[float] | None = None, **settings: object) -> tuple[Scrubbing, Heard]:
    """Return what scrubs an archive, at a time that the test tells, and what the audit trail would hear."""
    heard, now = Heard(), clock or [0.0]
    directory = app.config.storage.directory
    turn = partial(Turn.take, directory / "scrubbing.lock")
    archive = Scrubbable(app.index, app.index, app.blobs, turn)
    config = ScrubConfig.model_validate({"bytes_per_s": 0, **settings})
    return Scrubbing(config, archive, heard, clock=lambda: now[0]), heard


def once(scrubbing: Scrubbing, directory: Path | None = None) -> Scrubbed:
    """Scrub everything."""
    *_, seen = scrubbing.run_once(directory)
    return seen


def round_of(scrubbing: Scrubbing) -> Round:
    """Return how far the round is."""
    found = scrubbing.table.round()
    assert found is not None
    return found


def test_a_sound_archive_reports_none(app: App) -> None:
    store(app, 70)  # more than a page
    part, heard = scrubbing(app)
    seen = once(part)
    assert (seen.objects, seen.damaged, part.damaged(), heard.damage) == (70, 0, [], [])
    assert seen.size_bytes == sum(map(len, objects_of(app.config.storage.directory).values()))
    assert part.check()["scrubbed"] == 70


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_is_found_told_and_mended_of_a_backup(app: App, tmp_path: Path, damage: str) -> None:
    uid, *_ = store(app, 3)
    whole = objects_of(tmp_path / "data")
    back_up(app, tmp_path / "backups")
    DAMAGES[damage](path_of(app, uid))
    part, heard = scrubbing(app)
    lost = 3 if damage == "its directory" else 1
    assert (once(part).damaged, len(heard.damage)) == (lost, lost)
    assert once(part).damaged == lost
    assert len(heard.damage) == lost  # it is told once
    with pytest.raises(IntegrityError, match=f"{lost} stored objects are damaged"):
        part.check()
    seen = once(part, tmp_path / "backups")
    assert (seen.damaged, seen.mended, len(heard.mending)) == (lost, lost, lost)
    assert objects_of(tmp_path / "data") == whole
    assert part.check()["damaged"] == 0
    assert once(part).damaged == 0
    assert not list(app.blobs.incoming())


def test_what_another_node_is_yet_to_upload_is_not_missing(app: App) -> None:
    (uid,) = store(app)
    DAMAGES["the file"](path_of(app, uid))
    part, _ = scrubbing(app)
    part.scrubber.arriving_s = DAY_S
    assert once(part).damaged == 0
    part.scrubber.arriving_s = 0.0
    assert once(part).damaged == 1


def test_another_archive_mends_too(app: App, tmp_path: Path) -> None:
    (uid,) = store(app)
    whole = path_of(app, uid).read_bytes()
    shutil.copytree(tmp_path / "data" / "objects", tmp_path / "other" / "objects")
    DAMAGES["the end"](path_of(app, uid))
    part, _ = scrubbing(app)
    assert once(part, tmp_path / "other").mended == 1
    assert path_of(app, uid).read_bytes() == whole


def test_a_copy_that_is_damaged_too_mends_nothing(app: App, tmp_path: Path) -> None:
    (uid,) = store(app)
    shutil.copytree(tmp_path / "data" / "objects", tmp_path / "other" / "objects")
    for file in (path_of(app, uid), next((tmp_path / "other").rglob("*.dcm"))):
        DAMAGES["a bit of the pixels"](file)
    damaged = path_of(app, uid).read_bytes()
    part, _ = scrubbing(app)
    seen = once(part, tmp_path / "other")
    assert (seen.damaged, seen.mended) == (1, 0)
    assert path_of(app, uid).read_bytes() == damaged
    assert not list(app.blobs.incoming())


def test_the_newest_backup_that_is_sound_mends(app: App, tmp_path: Path) -> None:
    (uid,) = store(app)
    back_up(app, tmp_path / "backups")
    for content in (tmp_path / "backups" / "contents").rglob("*"):
        if content.is_file() and content.read_bytes() == path_of(app, uid).read_bytes():
            content.unlink()
    back_up(app, tmp_path / "backups")  # copies it again
    DAMAGES["the file"](path_of(app, uid))
    assert once(scrubbing(app)[0], tmp_path / "backups").mended == 1


def test_a_directory_without_copies_is_refused(app: App, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither backups nor an archive"):
        once(scrubbing(app)[0], tmp_path)


def test_what_was_damaged_and_is_removed_or_whole_again_is_told_no_more(app: App) -> None:
    first, second = store(app, 2)
    kept = path_of(app, second)
    whole = kept.read_bytes()
    for uid in (first, second):
        DAMAGES["the file"](path_of(app, uid))
    part, _ = scrubbing(app)
    assert once(part).damaged == 2
    app.services.removal.remove_instance("1.2.826.0.1.3680043.8.499.1", "1.2.826.0.1.3680043.8.499.2", first)
    with pytest.raises(IntegrityError, match="1 stored objects"):
        part.check()
    kept.parent.mkdir(parents=True)  # the removal of what was left has taken it
    kept.write_bytes(whole)
    assert once(part).damaged == 0
    assert part.check()["damaged"] == 0


def test_what_is_replaced_while_it_is_read_is_not_damaged(app: App) -> None:
    (uid,) = store(app)

    def replace() -> None:
        app.services.removal.remove_instance("1.2.826.0.1.3680043.8.499.1", "1.2.826.0.1.3680043.8.499.2", uid)
        app.services.store.store(Expected(EXPLICIT, CT, uid), [dataset(uid, pixels=b"\5\6" * 64)])

    part, heard = scrubbing(app)
    blobs = Meddling(app.config.storage.directory, replace)
    *_, seen = Scrubber(part.table, app.index, blobs, heard).run(NoCopies(), Pace(0, threading.Event().wait))
    assert (seen.objects, seen.damaged, heard.damage) == (1, 0, [])
    assert once(part).damaged == 0


def test_rounds_begin_when_they_are_due_and_not_before(app: App) -> None:
    (uid,) = store(app)
    clock = [1000.0]
    part, heard = scrubbing(app, clock, every_days=30)
    DAMAGES["the file"](path_of(app, uid))
    part.work()
    assert part.table.round() is not None
    clock[0] += 29 * DAY_S
    assert part.work() > 0
    assert heard.damage == []
    clock[0] += DAY_S
    part.work()
    assert heard.damage == [uid]
    done = part.table.round()
    assert done is not None
    assert (done.began_at, done.objects, done.ended_at) == (0.0, 1, clock[0])
    assert done.due_at == clock[0] + 30 * DAY_S


def test_a_round_that_is_stopped_goes_on_where_it_was(app: App) -> None:
    uid, *_ = store(app, 150)
    DAMAGES["the file"](path_of(app, uid))
    clock = [0.0]
    part, heard = scrubbing(app, clock, every_days=1)
    part.work()
    clock[0] += DAY_S
    heard.ends = part
    part.work()
    again, _ = scrubbing(app, clock, every_days=1)
    assert 0 < round_of(again).objects < 150
    again.work()
    assert (round_of(again).objects, round_of(again).began_at) == (150, 0.0)


def test_only_one_process_goes_round(app: App) -> None:
    store(app, 1)
    clock = [0.0]
    part, _ = scrubbing(app, clock, every_days=1)
    part.work()
    clock[0] += DAY_S
    turn = part._take_turn()
    assert turn is not None
    part.work()
    assert round_of(part).objects == 0
    turn.close()
    part.work()
    assert round_of(part).objects == 1


def test_reading_keeps_to_its_pace() -> None:
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        now[0] += seconds
        return False

    now = [100.0]
    pace = Pace(1000, wait, lambda: now[0])
    for _ in range(4):
        pace.took(500)
    assert now[0] == pytest.approx(102.0)
    now[0] += 60  # what was not read while it stood still is not made up for
    pace.took(500)
    assert waits[-1] == pytest.approx(0.5)


def test_the_background_ends_with_the_archive(tmp_path: Path) -> None:
    with opened(tmp_path / "data", ScrubConfig(every_days=1)) as app:
        app.begin()
        assert "scrubbing" in {thread.name for thread in threading.enumerate()}
    assert "scrubbing" not in {thread.name for thread in threading.enumerate()}


def test_an_archive_tells_damage_by_its_health_its_metrics_and_its_audit_trail(app: App) -> None:
    (uid,) = store(app)
    assert app.health.parts["objects"]()["damaged"] == 0
    assert "objects" not in app.health.needed
    DAMAGES["a bit of the pixels"](path_of(app, uid))
    once(app.scrubbing)
    with pytest.raises(IntegrityError, match="1 stored objects"):
        app.health.parts["objects"]()
    assert app.metering.exposition is not None
    told = app.metering.exposition().decode()
    assert 'pacs_scrubbed_objects_total{outcome="damaged"} 1' in told
    assert "pacs_damaged_objects 1" in told
