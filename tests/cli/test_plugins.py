"""`archimage plugins`: how plugins fare, and whether they are called, of an archive that does not run."""

import json
from pathlib import Path

import pytest

from archimage.cli.main import main
from tests.plugins.authored import write


@pytest.fixture
def configured(tmp_path: Path) -> tuple[str, ...]:
    """Options that name an archive with one plugin."""
    write(tmp_path / "data" / "plugins", "one", "def on_query(query): ...\n")
    settings = tmp_path / "archimage.toml"
    settings.write_text('[plugins]\ndirectory = "plugins"\n', "utf-8")
    return "--data", str(tmp_path / "data"), "--config", str(settings)


def _run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["plugins", *arguments])
    return int(left.value.code or 0)


def test_plugins_are_listed_disabled_and_enabled(
    configured: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    def listed() -> tuple[str, str]:
        capsys.readouterr()
        assert _run("list", "--json", *configured) == 0
        (one,) = json.loads(capsys.readouterr().out)
        return one["state"], one["reason"]

    assert listed() == ("starting", "")
    assert _run("disable", "one", *configured) == 0
    assert listed() == ("disabled", "somebody disabled it")
    assert _run("list", *configured) == 0
    assert "somebody disabled it" in capsys.readouterr().out
    assert _run("enable", "one", *configured) == 0
    assert listed() == ("starting", "")


def test_what_is_not_there_is_said(
    configured: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("enable", "other", *configured) != 0
    assert "there is no plugin 'other'" in capsys.readouterr().err
    assert _run("enable", "one", "--data", str(tmp_path / "bare")) != 0
    assert "plugins.directory" in capsys.readouterr().err
    assert _run("list", "--json", "--data", str(tmp_path / "bare")) == 0
    assert json.loads(capsys.readouterr().out) == []
