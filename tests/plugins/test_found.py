"""Plugins are found in a folder and among entry points, and nothing of them is run for that."""

import re
import sys
from pathlib import Path

import pytest

from archimage.config_plugins import PluginsConfig
from archimage.errors import ConfigError
from archimage.plugins.found import find
from archimage.plugins.process import ProcessLoader
from tests.plugins.authored import write

_RUN = "raise AssertionError('it was run')\n"


def _installed(folder: Path, points: str) -> None:
    """Install a package as pip would: its module, and what says which entry points it has."""
    (folder / "triage.py").write_text(
        "class Triage:\n    def on_query(self, query): ...\n\n\ndef on_association(association): ...\n", "utf-8"
    )
    told = folder / "triage-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: triage\nVersion: 1.0\n", "utf-8")
    (told / "entry_points.txt").write_text(f"[archimage.plugins]\n{points}", "utf-8")


def test_files_and_packages_of_a_folder_are_found_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "plugins"
    write(folder, "b-file", _RUN)
    write(folder, "_shared", _RUN)
    write(folder, ".hidden", _RUN)
    write(folder / "a_package", "__init__", _RUN)
    (folder / "data").mkdir()
    (folder / "notes.txt").write_text("none")
    found = find(PluginsConfig(directory="plugins"), tmp_path)
    assert [(one.name, one.target) for one in found] == [
        ("a_package", str(folder / "a_package" / "__init__.py")),
        ("b-file", str(folder / "b-file.py")),
    ]


def test_nothing_is_looked_for_where_nothing_is_named(tmp_path: Path) -> None:
    assert find(PluginsConfig(), tmp_path) == []


def test_entry_points_are_found_by_name_or_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _installed(tmp_path, "whole = triage\nobject = triage:Triage\none = triage:on_association\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert [one.name for one in find(PluginsConfig(packages=("whole",)), tmp_path)] == ["whole"]
    hooks = {}
    for source in find(PluginsConfig(packages=("*",)), tmp_path):
        process = ProcessLoader(512 << 20).start(source)
        hooks[source.name] = process.load(20) if source.name != "one" else frozenset({"on_association"})
        process.close()
    assert hooks == {
        "whole": {"on_association"},
        "object": {"on_query"},
        "one": {"on_association"},
    }
    assert "triage" not in sys.modules


def test_a_package_finds_its_own_modules_and_a_file_what_lies_beside_it(tmp_path: Path) -> None:
    write(tmp_path / "whole", "__init__", "from .inner import on_query\n")
    write(tmp_path / "whole", "inner", "def on_query(query): ...\n")
    write(tmp_path, "_shared", "def on_study_deleted(removed): ...\n")
    write(tmp_path, "file", "from _shared import on_study_deleted\n")
    for source in find(PluginsConfig(directory=str(tmp_path)), tmp_path):
        process = ProcessLoader(512 << 20).start(source)
        assert process.load(20) == {"on_study_deleted" if source.name == "file" else "on_query"}
        process.close()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"directory": "nowhere"}, "is no folder"),
        ({"directory": "twice"}, "two plugins have the name 'same'"),
        ({"directory": "strange"}, "no name of a plugin"),
        ({"packages": ("nobody",)}, "plugins.packages names 'nobody'"),
        ({"required": ("nobody",)}, "plugins.required names 'nobody'"),
    ],
)
def test_what_cannot_be_is_said_at_the_start(tmp_path: Path, settings: dict[str, object], why: str) -> None:
    write(tmp_path / "twice", "same", _RUN)
    write(tmp_path / "twice" / "same", "__init__", _RUN)
    write(tmp_path / "strange", "a name", _RUN)
    with pytest.raises(ConfigError, match=re.escape(why)):
        find(PluginsConfig.model_validate(settings), tmp_path)
