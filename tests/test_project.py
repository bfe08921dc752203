"""What holds for the project as a whole: its files say what is there, and its code keeps to its own measures."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from archimage.cli.main import app
from archimage.config import Config, NodeConfig
from archimage.config_object_store import TierConfig

ROOT = Path(__file__).parent.parent
SOURCES = sorted(path for folder in ("src", "tests", "bench", "scripts") for path in (ROOT / folder).rglob("*.py"))
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


def settings() -> Iterator[tuple[str, object]]:
    """Yield every setting with its default."""
    tables: dict[str, tuple[Any, str]] = {"nodes": (NodeConfig, "nodes.AET"), "tiers": (TierConfig, "tiers.NAME")}
    for section, field in Config.model_fields.items():
        inner, prefix = tables.get(section, (field.annotation, section))
        assert isinstance(inner, type)
        assert issubclass(inner, BaseModel)
        yield from _settings_of(inner, prefix)


def _settings_of(section: type[BaseModel], prefix: str) -> Iterator[tuple[str, object]]:
    for key, definition in section.model_fields.items():
        if isinstance(definition.default, BaseModel):
            yield from _settings_of(type(definition.default), f"{prefix}.{key}")
        else:
            yield f"{prefix}.{key}", definition.default if not definition.is_required() else None


def documented(default: object) -> str:
    """Write a default as the table does."""
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if default in ((), "", {}):
        return "empty"
    if isinstance(default, tuple):
        default = ",".join(default)
    if default is None:
        return "(required)"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def commands(group: Any, prefix: str = "archimage") -> Iterator[tuple[str, Any]]:
    """Yield every command of the command line with its full name."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def test_every_setting_and_its_default_stand_in_the_documentation() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    missing = [name for name, default in settings() if f"| `{name}` | {documented(default)} |" not in text]
    assert missing == []


def test_every_documented_setting_is_one() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    assert set(re.findall(r"^\| `([a-z0-9_]+\.\w[\w.]*)`", text, re.MULTILINE)) == {name for name, _ in settings()}


def test_every_command_and_option_is_documented() -> None:
    import typer

    text = (ROOT / "docs" / "commands.md").read_text("utf-8")
    common = {"--help", "--calling", "--called", "--key", "--level", "--output"}
    missing = []
    for name, command in commands(typer.main.get_command(app)):
        if f"## `{name}" not in text:
            missing.append(name)
        options = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
        missing += [f"{name} {option}" for option in options - common if option not in text]
    assert missing == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_locks_hold_versions_and_hashes_and_no_addresses(lock: Path) -> None:
    text = lock.read_text("utf-8")
    assert "--hash=sha256:" in text
    for forbidden in ("://", "--index", "--find-links", "file:", " @ "):
        assert forbidden not in text
    pinned = re.findall(
        r"^([a-z0-9][\w.-]*)==\S+(?: ;.*?)? \\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+", text, re.MULTILINE
    )
    assert len(pinned) == len(re.findall(r"^[a-z0-9]", text, re.MULTILINE))


@pytest.mark.parametrize(("lock", "key"), [("runtime", "dependencies"), ("dev", "dependencies"), ("dev", "dev")])
def test_locks_cover_what_the_project_asks_for(lock: str, key: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = project["dependency-groups"]["dev"] if key == "dev" else project["project"]["dependencies"]
    text = (ROOT / "requirements" / f"{lock}.lock").read_text("utf-8")
    names = [re.split(r"[<>=!~\[; ]", requirement)[0].lower() for requirement in wanted]
    assert [name for name in names if not re.search(rf"^{re.escape(name)}==", text, re.MULTILINE)] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_keep_their_size(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 500
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 50, f"{node.name} is too long"


@pytest.mark.parametrize("path", sorted((ROOT / "src").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_lives_there(path: Path) -> None:
    module = ast.parse(path.read_text("utf-8"))
    assert not module.body or ast.get_docstring(module)


def test_the_layers_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert result.returncode == 0, result.stdout


def test_nothing_slow_is_imported_before_a_command_runs() -> None:
    code = "import sys, archimage.cli.main; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True).stdout
    slow = {"pydicom", "numpy", "sqlalchemy", "pydantic", "starlette", "uvloop", "asyncio", "rich", "structlog"}
    assert slow & set(output.split()) == set()


def test_the_version_is_told() -> None:
    command = [sys.executable, "-m", "archimage", "--version"]
    output = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout
    assert re.fullmatch(r"archimage \d+\.\d+\.\d+\n", output)


def test_ci_runs_the_test_command_of_the_readme() -> None:
    assert "make test" in (ROOT / "README.md").read_text("utf-8")
    lines = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert lines[-2:] == ["make check", "make test"]
    assert "set -euo pipefail" in lines
