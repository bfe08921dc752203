"""`archimage access`."""

from pathlib import Path

from archimage.services.policy import STARTER
from tests.cli.conftest import Invoke


def test_rules_are_begun_with_checked_and_explained(archimage: Invoke, tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert "archimage access init" in archimage("access", "check", "--data", data).err
    assert archimage("access", "init", "--data", data).code == 0
    file = data / "access.toml"
    assert (file.read_text(), file.stat().st_mode & 0o777) == (STARTER, 0o600)
    assert "5 rules, nothing wrong" in archimage("access", "check", "--data", data).err
    told = archimage("access", "explain", "--data", data, "--role", "reader", "--json").json
    assert [one["operation"] for one in told] == ["echo", "query", "retrieve", "move-to", "worklist"]
    assert told[0] == {"operation": "echo", "of": "all", "to": "anywhere"}
    again = archimage("access", "init", "--data", data)
    assert again.code == 2
    assert "change it with an editor" in again.err


def test_what_is_wrong_is_told(archimage: Invoke, tmp_path: Path) -> None:
    (tmp_path / "access.toml").write_text('[[rule]]\nname = "a"\nusers = ["x"]\nallow = ["fly"]\n')
    ended = archimage("access", "check", "--data", tmp_path)
    assert ended.code == 2
    assert "rule 1 of the access policy ('a'): allow has 'fly'" in ended.err


def test_parts_of_the_archive_and_destinations_are_explained(archimage: Invoke, tmp_path: Path) -> None:
    (tmp_path / "access.toml").write_text(
        '[[rule]]\nname = "a"\nae_titles = ["WS"]\naddresses = ["10.0.0.0/8"]\nallow = ["query", "move-to"]\n'
        'modalities = ["CT"]\ndestinations = ["WS"]\n'
    )
    table = archimage("access", "explain", "--data", tmp_path, "--ae-title", "WS", "--address", "10.1.1.1").out
    assert "CT" in table
    assert "WS" in table
    stranger = archimage("access", "explain", "--data", tmp_path, "--ae-title", "WS", "--address", "11.1.1.1")
    assert "may do nothing" in stranger.err
