"""The commands that install the full viewer beside an archive."""

from pathlib import Path

import pytest

from tests.cli.conftest import Invoke
from tests.web.ohif.packages import install, tarball


def test_a_tarball_of_something_else_is_refused_and_nothing_is_installed(archimage: Invoke, tmp_path: Path) -> None:
    (tmp_path / "p.tgz").write_bytes(tarball())
    refused = archimage("viewer", "install", "--data", tmp_path / "data", "--tarball", tmp_path / "p.tgz")
    assert refused.code == 1
    assert "this is not @ohif/app@3.13.2" in refused.err
    assert "Nothing was installed" in refused.err
    status = archimage("viewer", "status", "--data", tmp_path / "data", "--json")
    assert (status.code, status.json["installed"], status.json["known"]) == (1, None, "3.13.2")


def test_without_npm_a_tarball_is_asked_for(archimage: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    refused = archimage("viewer", "install", "--data", tmp_path / "data")
    assert refused.code == 2
    assert "npm, which is not installed" in refused.err
    assert "--tarball FILE" in refused.err


def test_what_is_installed_is_told_and_removed(archimage: Invoke, tmp_path: Path) -> None:
    data = tmp_path / "data"
    install(data / "viewer")
    status = archimage("viewer", "status", "--data", data)
    assert status.code == 0
    assert "installed   1.0.0" in status.out
    assert "is removed" in archimage("viewer", "remove", "--data", data).err
    assert "is not installed" in archimage("viewer", "remove", "--data", data).err
    assert "installed   no" in archimage("viewer", "status", "--data", data).out


def test_the_directory_is_that_of_the_settings(
    archimage: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "shared")
    monkeypatch.setenv("ARCHIMAGE__HTTP__VIEWER_DIRECTORY", str(tmp_path / "shared"))
    assert archimage("viewer", "status", "--data", tmp_path / "data", "--json").json["installed"] == "1.0.0"
