"""Migrations only add, and what they add to a table has a default: nodes of the release before go on beside them."""

import ast
from pathlib import Path
from typing import Final

import pytest

from archimage import index

FOLDER: Final = Path(index.__file__).parent / "migrations" / "versions"
_ADDING: Final = {"create_table", "create_index", "add_column", "execute", "get_bind", "get_context", "f"}
_SINCE: Final = "0022"
"""The first that nodes on one database may run beside the release before."""
MIGRATIONS: Final = sorted(file.name for file in FOLDER.glob("0*.py") if file.name >= _SINCE)


def _upgrade(source: str) -> ast.FunctionDef:
    (found,) = (one for one in ast.parse(source).body if isinstance(one, ast.FunctionDef) and one.name == "upgrade")
    return found


def _faults(source: str) -> list[str]:
    """Name what a migration does beside adding."""
    faults = []
    for call in (one for one in ast.walk(_upgrade(source)) if isinstance(one, ast.Call)):
        name = ast.unparse(call.func)
        if name.startswith("op.") and name.removeprefix("op.") not in _ADDING:
            faults.append(name)
        if name == "op.add_column":
            column = call.args[1]
            assert isinstance(column, ast.Call)
            given = {one.arg: ast.unparse(one.value) for one in column.keywords}
            if given.get("nullable") == "False" and "server_default" not in given:
                faults.append(f"{ast.unparse(column)} has no default")
        if name == "op.execute" and not ast.unparse(call).lower().startswith(
            ("op.execute('insert", "op.execute('update")
        ):
            faults.append(ast.unparse(call))
    return faults


@pytest.mark.parametrize("name", MIGRATIONS)
def test_a_migration_only_adds(name: str) -> None:
    assert _faults((FOLDER / name).read_text("utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "op.drop_column('instance', 'path')",
        "op.alter_column('instance', 'path', nullable=True)",
        "op.add_column('instance', sa.Column('more', sa.Text, nullable=False))",
        "op.execute('DROP TABLE instance')",
    ],
)
def test_what_does_more_is_found(line: str) -> None:
    assert _faults(f"def upgrade():\n    {line}\n")


def test_there_are_some() -> None:
    assert MIGRATIONS
