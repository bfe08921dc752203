"""Health is the truth: a fault is told while it lasts, and no longer."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from archimage.app import App, build
from archimage.config import Config, StorageConfig
from archimage.errors import ArchimageError, IndexUnavailableError, OutOfResourcesError, StorageError, UnavailableError
from archimage.services.health import Check
from archimage.services.room import Room
from archimage.services.store import Expected
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.server import wait_until
from tests.attacks.wire import CT

EXPLICIT = "1.2.840.10008.1.2.1"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """An open archive."""
    with closing(build(Config(storage=StorageConfig(directory=tmp_path)))) as opened:
        yield opened


def fails(check: Check) -> bool:
    """Tell whether a part says that it does not work."""
    try:
        check()
    except ArchimageError:
        return True
    return False


def stored(app: App) -> bool:
    """Store an object."""
    uid = new_uid()
    app.services.store.store(Expected(EXPLICIT, CT, uid), [dataset(uid)])
    return True


def test_every_part_of_an_archive_that_works_tells_figures(app: App) -> None:
    assert stored(app)
    told = {name: check() for name, check in app.health.parts.items()}
    assert set(told) == {"disk", "index", "intake", "running", "checkpoint", "audit", "objects"}
    assert told["disk"]["free_bytes"] > told["disk"]["reserve_bytes"] > 0
    assert told["index"]["size_bytes"] > 0
    assert told["intake"] == {"waiting": 0}
    assert app.health.needed.items() <= app.health.parts.items()
    assert not list(app.blobs.incoming())


def test_an_index_that_is_gone_is_told_until_it_is_back(app: App, tmp_path: Path) -> None:
    place, elsewhere = tmp_path / "index.db", tmp_path / "elsewhere.db"
    place.rename(elsewhere)
    with pytest.raises(IndexUnavailableError):
        app.health.needed["index"]()
    elsewhere.rename(place)
    assert app.health.needed["index"]()["size_bytes"] > 0


def test_a_disk_that_takes_no_files_is_told_until_it_does(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    incoming = app.config.storage.directory / "incoming"
    (lane,) = [path for path in incoming.iterdir() if path.is_dir()]
    lane.rename(incoming / "elsewhere")
    with pytest.raises(StorageError):
        app.health.needed["disk"]()
    (incoming / "elsewhere").rename(lane)
    assert app.health.needed["disk"]()


def test_with_less_room_than_the_reserve_nothing_is_taken(tmp_path: Path) -> None:
    storage = StorageConfig(directory=tmp_path, reserve_bytes=1 << 60)
    with closing(build(Config(storage=storage))) as app:
        with pytest.raises(OutOfResourcesError, match=r"storage\.reserve_bytes"):
            app.health.needed["disk"]()
        with pytest.raises(OutOfResourcesError, match="make room"):
            stored(app)
        assert app.index.counts().instances == 0


def test_the_free_room_is_asked_for_again_after_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(tmp_path, 100)
    free = [1_000, 50, 2_000]
    monkeypatch.setattr("shutil.disk_usage", lambda _directory: type("Usage", (), {"free": free[0]}))
    assert room.check()["free_bytes"] == 1_000
    del free[0]
    assert wait_until(lambda: fails(room.check), 2.0)
    del free[0]
    assert wait_until(lambda: not fails(room.check), 2.0)


def test_an_intake_that_has_ended_is_told(app: App) -> None:
    app.services.store.intake.close()
    with pytest.raises(UnavailableError, match="ended"):
        app.health.needed["intake"]()


def test_a_checkpoint_that_fails_is_told_until_one_succeeds(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    check = app.health.parts["checkpoint"]
    assert stored(app)
    with monkeypatch.context() as patched:
        patched.setattr(app.index, "sync", _refuse)
        app.checkpointer.ask()
        assert wait_until(lambda: fails(check), 10.0)
    app.checkpointer.ask()
    assert wait_until(lambda: not fails(check), 10.0)


def _refuse() -> None:
    raise StorageError("the disk does not flush")


def test_an_archive_that_ends_is_not_ready(app: App) -> None:
    assert not fails(app.health.needed["running"])
    app.health.end()
    assert fails(app.health.needed["running"])
