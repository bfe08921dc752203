"""An archive whose index is in PostgreSQL is backed up, restored and scrubbed like any other."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from archimage.app import build
from archimage.automation.backups import restore_archive
from archimage.config import Config, StorageConfig
from archimage.config_index import IndexConfig
from archimage.config_scrub import ScrubConfig
from archimage.errors import ConfigError
from archimage.index.dumping import IndexDumps
from archimage.storage.backups import BackupDirectory
from tests.servers.postgresql import PostgresqlServer, running
from tests.services.keeping import DAMAGES, back_up, dump_of, furnish, objects_of, path_of, restored, store


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresqlServer]:
    """A server of the module."""
    with running() as started:
        yield started


def config(directory: Path, url: str) -> Config:
    """Return the settings of an archive over a database."""
    storage, scrub = StorageConfig(directory=directory), ScrubConfig(every_days=0)
    return Config(storage=storage, scrub=scrub, index=IndexConfig(url=url))


def test_an_archive_goes_from_postgresql_to_sqlite_and_back(server: PostgresqlServer, tmp_path: Path) -> None:
    with closing(build(config(tmp_path / "data", server.url))) as app:
        store(app, 3)
        furnish(app)
        assert back_up(app, tmp_path / "backups").totals.objects == 3
        lines = list(IndexDumps(app.index).dump())[1:]
    assert restored(tmp_path / "backups", tmp_path / "file").damaged == 0
    assert dump_of(tmp_path / "file")[1:] == lines
    server.execute("CREATE DATABASE other")
    again = config(tmp_path / "database", server.url_of("other"))
    *_, done = restore_archive(BackupDirectory(tmp_path / "backups").open(), again)
    assert (done.objects, done.damaged) == (3, 0)
    with closing(build(again)) as app:
        assert objects_of(tmp_path / "database") == objects_of(tmp_path / "data")
        (uid,) = store(app)
        back_up(app, tmp_path / "backups")
        DAMAGES["a bit of the pixels"](path_of(app, uid))
        *_, seen = app.scrubbing.run_once(tmp_path / "backups")
        assert (seen.objects, seen.damaged, seen.mended) == (4, 1, 1)
        assert app.health.parts["objects"]()["damaged"] == 0


def test_a_database_that_is_in_use_is_not_restored_into(server: PostgresqlServer, tmp_path: Path) -> None:
    server.execute("CREATE DATABASE used")
    used = config(tmp_path / "data", server.url_of("used"))
    with closing(build(used)) as app:
        store(app, 2)
        back_up(app, tmp_path / "backups")
    with pytest.raises(ConfigError, match="not empty"):
        list(restore_archive(BackupDirectory(tmp_path / "backups").open(), config(tmp_path / "new", used.index.url)))
    with closing(build(used)) as app:
        assert app.index.counts().instances == 2
