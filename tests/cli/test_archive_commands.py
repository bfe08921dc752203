"""The commands that work on a data directory of this machine."""

import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from archimage.app import build
from archimage.config import Config, StorageConfig
from archimage.errors import ConfigError
from tests.cli.conftest import Invoke


def test_import_stores_once_and_knows_duplicates(archimage: Invoke, studies: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = archimage("import", studies, "--data", data, "--json").json
    assert (first["stored"], first["duplicate"], first["skipped"], first["failed"]) == (10, 0, 1, 0)
    again = archimage("import", studies, "--data", data, "--json").json
    assert (again["stored"], again["duplicate"]) == (0, 10)


def test_a_dry_run_stores_nothing(archimage: Invoke, studies: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert archimage("import", studies, "--data", data, "--dry-run", "--json").json["stored"] == 10
    assert archimage("index", "verify", "--data", data, "--json").json["instances"] == 0


def test_a_file_name_that_is_no_utf8_comes_back_from_json(archimage: Invoke, tmp_path: Path) -> None:
    broken = Path(os.fsdecode(os.fsencode(tmp_path) + b"/broken-\xe9.dcm"))
    broken.write_bytes(bytes(128) + b"DICM")
    told = archimage("import", broken, "--data", tmp_path / "data", "--json").json
    assert [os.fsencode(problem["file"]) for problem in told["problems"]] == [os.fsencode(broken)]
    assert "broken-\\udce9.dcm: " in archimage("import", broken, "--data", tmp_path / "data").err


def test_import_ends_with_1_and_names_what_failed(archimage: Invoke, tmp_path: Path) -> None:
    (tmp_path / "broken.dcm").write_bytes(bytes(128) + b"DICM")
    result = archimage("import", tmp_path / "broken.dcm", "--data", tmp_path / "data")
    assert result.code == 1
    assert "broken.dcm" in result.err


def test_demo_fills_an_empty_archive_only(archimage: Invoke, tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert archimage("demo", "--data", data, "--slices", 2, "--if-empty", "--json").json["stored"] == 10
    assert archimage("demo", "--data", data, "--slices", 2, "--if-empty", "--json").out == ""
    assert archimage("index", "verify", "--data", data, "--json").json["instances"] == 10


def test_verify_tells_missing_damaged_and_orphan_files(archimage: Invoke, studies: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    archimage("import", studies, "--data", data)
    assert archimage("index", "verify", "--digests", "--data", data).code == 0
    missing, short, flipped, *_ = sorted((data / "objects").rglob("*.dcm"))
    shutil.copy(missing, missing.with_name("1.2.3.dcm"))
    missing.unlink()
    short.write_bytes(short.read_bytes()[:-2])
    content = bytearray(flipped.read_bytes())
    content[-1] ^= 1
    flipped.write_bytes(content)
    result = archimage("index", "verify", "--data", data, "--json")
    assert result.code == 1
    counts = {kind: len(result.json[kind]) for kind in ("missing", "damaged", "orphans")}
    assert counts == {"missing": 1, "damaged": 1, "orphans": 1}
    assert len(archimage("index", "verify", "--digests", "--data", data, "--json").json["damaged"]) == 2


def test_rebuild_makes_a_lost_index_again(archimage: Invoke, studies: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    archimage("import", studies, "--data", data)
    for file in data.glob("index.db*"):
        file.unlink()
    assert archimage("index", "verify", "--data", data).code == 1
    assert archimage("index", "rebuild", "--data", data, "--json").json == {
        "indexed": 10,
        "dropped": 0,
        "unreadable": [],
    }
    assert archimage("index", "verify", "--digests", "--data", data).code == 0


def test_rebuild_leaves_nothing_that_was_made_of_objects(archimage: Invoke, studies: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    archimage("import", studies, "--data", data)
    made = [data / "cache" / kind / "ab" / "abcdef" for kind in ("metadata", "transcoded")]
    for path in made:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"of an object whose file is gone")
    assert archimage("index", "rebuild", "--data", data).code == 0
    assert not any(path.exists() for path in made)


def test_rebuild_needs_the_archive_for_itself(archimage: Invoke, studies: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    archimage("import", studies, "--data", data)
    settings = Config(storage=StorageConfig(directory=data))
    with closing(build(settings)):
        refused = archimage("index", "rebuild", "--data", data)
    assert (refused.code, "stop the server" in refused.err) == (2, True)
    with closing(build(settings, alone=True)), pytest.raises(ConfigError, match="being rebuilt"):
        build(settings)
    assert archimage("index", "rebuild", "--data", data).code == 0


def test_rebuild_drops_rows_without_a_file_and_names_unreadable_ones(
    archimage: Invoke, studies: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    archimage("import", studies, "--data", data)
    lost, broken, *_ = sorted((data / "objects").rglob("*.dcm"))
    lost.unlink()
    broken.write_bytes(b"nothing")
    result = archimage("index", "rebuild", "--data", data, "--json")
    assert result.code == 1
    assert (result.json["indexed"], result.json["dropped"], len(result.json["unreadable"])) == (8, 1, 1)
