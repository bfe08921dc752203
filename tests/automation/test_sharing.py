"""What nodes have in common: in files of one archive, in the index where a database holds it; a file is taken over."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from archimage.automation.sharing import policy_of, secrets_of, turn_of
from archimage.cli.main import app
from archimage.config import Config, StorageConfig
from archimage.config_index import IndexConfig
from archimage.errors import IndexUnavailableError
from archimage.index.opening import open_index
from archimage.services.policy import STARTER
from archimage.storage.policy import PolicyFile
from archimage.storage.secrets import has_secret, project_secret
from tests.servers.postgresql import PostgresqlServer, running


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresqlServer]:
    """A PostgreSQL."""
    with running() as started:
        yield started


@pytest.fixture
def nodes(server: PostgresqlServer, tmp_path: Path) -> list[Config]:
    """Two nodes, each with a directory of its own, over an empty database."""
    server.execute("DROP DATABASE IF EXISTS nodes WITH (FORCE)", database="postgres")
    server.execute("CREATE DATABASE nodes", database="postgres")
    index = IndexConfig(url=server.url_of("nodes"))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    return [Config(storage=StorageConfig(directory=tmp_path / name), index=index) for name in ("one", "two")]


def test_a_policy_of_one_node_is_that_of_all(nodes: list[Config]) -> None:
    one, two = nodes
    PolicyFile(one.storage.directory / "access.toml").write("# of the first node\n")
    PolicyFile(two.storage.directory / "access.toml").write("# of the second node\n")
    with closing(open_index(one)) as first, closing(open_index(two)) as second:
        assert policy_of(one, first).read() == "# of the first node\n"
        policy = policy_of(two, second)
        assert policy.read() == "# of the first node\n"
        policy.write("# changed\n")
        assert policy_of(one, first).read() == "# changed\n"


def test_pseudonyms_do_not_depend_on_the_node(nodes: list[Config]) -> None:
    one, two = nodes
    old = project_secret(one.storage.directory, "trial-1")
    with closing(open_index(one)) as first, closing(open_index(two)) as second:
        assert secrets_of(one, first)("trial-1") == secrets_of(two, second)("trial-1") == old
        assert secrets_of(two, second)("trial-2") == secrets_of(one, first)("trial-2")
    assert not has_secret(two.storage.directory, "trial-1")


def test_an_archive_of_one_directory_keeps_its_files(tmp_path: Path) -> None:
    config = Config(storage=StorageConfig(directory=tmp_path))
    with closing(open_index(config)) as index:
        policy_of(config, index).write("# a file\n")
        secret = secrets_of(config, index)("trial-1")
    assert (tmp_path / "access.toml").read_text() == "# a file\n"
    assert project_secret(tmp_path, "trial-1") == secret


def test_commands_look_where_the_policy_is(nodes: list[Config], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIMAGE__INDEX__URL", nodes[0].index.url)
    directories = [str(config.storage.directory) for config in nodes]

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, list(arguments))
        assert result.exception is None, result.output
        return result.output

    url = nodes[0].index.url
    assert f"there is no access policy {url}" in run("access", "check", "--data", directories[0])
    assert f"wrote {url}" in run("access", "init", "--data", directories[0])
    assert "nothing wrong" in run("access", "check", "--data", directories[1])
    assert "by these rules" in run("access", "explain", "--user", "nobody", "--data", directories[1])
    with closing(open_index(nodes[1])) as index:
        assert policy_of(nodes[1], index).read() == STARTER
    again = CliRunner().invoke(app, ["access", "init", "--data", directories[1]])
    assert "there is an access policy already" in str(again.exception)
    assert not (nodes[0].storage.directory / "access.toml").exists()


def test_one_process_of_all_nodes_has_a_turn(nodes: list[Config], server: PostgresqlServer) -> None:
    one, two = (turn_of(config, "changing") for config in nodes)
    had = one()
    assert had is not None
    assert two() is None
    other = turn_of(nodes[1], "compressing")()
    assert other is not None
    had.close()
    after = two()
    assert after is not None
    server.kill()  # and with it the connections of all who had a turn
    with pytest.raises(IndexUnavailableError):
        one()
    server.start()
    again = one()
    assert again is not None
    for turn in (after, other, again):
        turn.close()


def test_processes_of_one_directory_have_turns_by_files(tmp_path: Path) -> None:
    take = turn_of(Config(storage=StorageConfig(directory=tmp_path)), "changing")
    had = take()
    assert had is not None
    assert take() is None
    assert (tmp_path / "changing.lock").exists()
    had.close()
