"""A project's secret is made once, kept from others, and never quietly made anew."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from archimage.errors import InvalidRequestError, StorageError
from archimage.model.projects import SECRET_BYTES
from archimage.storage.secrets import project_secret


def test_a_secret_is_made_when_a_project_is_first_named(tmp_path: Path) -> None:
    first = project_secret(tmp_path / "data", "trial-1")
    assert len(first) == SECRET_BYTES
    assert project_secret(tmp_path / "data", "trial-1") == first
    assert project_secret(tmp_path / "data", "trial-2") != first
    path = tmp_path / "data" / "deidentification" / "trial-1.secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["trial-1.secret", "trial-2.secret"]


def test_many_who_name_it_at_once_get_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(lambda _: project_secret(tmp_path, "p"), range(32)))) == 1


@pytest.mark.parametrize("name", ["", ".", "../p", "a/b", "-p", "p" * 65, "é", "p\n"])
def test_a_name_that_is_no_name_of_a_file_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError):
        project_secret(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "zz" * 32, "00" * 31])
def test_a_damaged_secret_is_told_and_stays(text: str, tmp_path: Path) -> None:
    project_secret(tmp_path, "p")
    path = tmp_path / "deidentification" / "p.secret"
    path.write_text(text)
    with pytest.raises(StorageError, match="holds no secret"):
        project_secret(tmp_path, "p")
    assert path.read_text() == text


def test_a_secret_that_others_may_read_is_refused(tmp_path: Path) -> None:
    project_secret(tmp_path, "p")
    (tmp_path / "deidentification" / "p.secret").chmod(0o640)
    with pytest.raises(StorageError, match="others than its owner"):
        project_secret(tmp_path, "p")


def test_a_folder_that_cannot_be_made_is_an_error_of_storage(tmp_path: Path) -> None:
    (tmp_path / "deidentification").write_text("")
    with pytest.raises(StorageError):
        project_secret(tmp_path, "p")
