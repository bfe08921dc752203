"""An archive is moved from SQLite to PostgreSQL by one command."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke
from tests.servers import postgresql
from tests.servers.postgresql import PostgresqlServer


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresqlServer]:
    """Run a server of our own."""
    with postgresql.running(durable=True) as started:
        yield started


def test_an_archive_goes_on_with_the_copy_of_its_index(
    archimage: Invoke, studies: Path, tmp_path: Path, database: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    archimage("import", studies, "--data", data)
    monkeypatch.setenv("ARCHIMAGE__INDEX__URL", database.url)
    assert "has no tables yet" in archimage("doctor", "--data", data).out
    assert archimage("index", "copy", "--data", data, "--json").json["rows"] > 10
    (data / "index.db").rename(tmp_path / "aside.db")
    assert archimage("index", "verify", "--digests", "--data", data, "--json").json == {
        "instances": 10,
        "missing": [],
        "damaged": [],
        "orphans": [],
        "unread": 0,
        "away": {},
    }
    assert archimage("import", studies, "--data", data, "--json").json["duplicate"] == 10
    assert "of the newest schema" in archimage("doctor", "--data", data).out


def test_a_copy_says_what_it_lacks(archimage: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = archimage("index", "copy", "--data", tmp_path)
    assert told.code == 2
    assert "index.url" in told.err
    monkeypatch.setenv("ARCHIMAGE__INDEX__URL", "postgresql://nobody@127.0.0.1:1/none")
    told = archimage("index", "copy", "--data", tmp_path)
    assert told.code == 2
    assert "there is no index" in told.err


@pytest.mark.parametrize("url", ["me:secret@127.0.0.1/db", "me@127.0.0.1/db?sslmode=prefer&password=secret"])
def test_a_password_in_the_url_is_refused(
    archimage: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("ARCHIMAGE__INDEX__URL", f"postgresql://{url}")
    told = archimage("index", "verify", "--data", tmp_path)
    assert told.code == 2
    assert "index.password" in told.err
    assert "secret" not in told.err


def test_a_database_that_forgets_in_a_crash_is_told(
    archimage: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgresql.running(fsync="off") as careless:
        monkeypatch.setenv("ARCHIMAGE__INDEX__URL", careless.url)
        told = archimage("doctor", "--data", tmp_path)
    assert told.code == 1
    assert "fsync is off" in told.out
    assert "docs/postgresql.md" in told.out
