"""`archimage hold`, in an archive on this machine."""

from pathlib import Path

import pytest

from tests.cli.conftest import Invoke


@pytest.fixture
def data(archimage: Invoke, tmp_path: Path, studies: Path) -> Path:
    """An archive of the demo studies."""
    assert archimage("import", studies, "--data", tmp_path / "data").code in {0, 1}
    return tmp_path / "data"


def test_studies_are_held_listed_and_released(archimage: Invoke, data: Path) -> None:
    uid = "1.2.840.9.9"
    assert archimage("hold", "list", "--json", "--data", data).json == []
    missing = archimage("hold", "set", uid, "--reason", "Case 7", "--data", data)
    assert (missing.code, missing.err) == (1, f"no study {uid} is kept\n")
    study = _studies(data)[0]
    placed = archimage("hold", "set", study, uid, "--reason", "Case 7", "--data", data)
    assert (placed.code, placed.err.splitlines()[0]) == (1, f"study {study} is on legal hold")
    (listed,) = archimage("hold", "list", "--json", "--data", data).json
    assert (listed["study_instance_uid"], listed["reason"]) == (study, "Case 7")
    assert listed["placed_by"]
    shown = archimage("hold", "list", "--data", data).out
    assert study in shown
    assert archimage("hold", "release", study, "--reason", " ", "--data", data).code == 1
    assert archimage("hold", "release", study, "--reason", "closed", "--data", data).code == 0
    assert archimage("hold", "list", "--json", "--data", data).json == []
    told = archimage("audit", "search", "--study", study, "--json", "--data", data).out
    assert "legal hold placed: Case 7" in told
    assert "legal hold released: closed" in told


def _studies(data: Path) -> list[str]:
    """Return the studies of an archive, as its files lie."""
    return sorted(path.name for path in (data / "objects").iterdir())
