"""CONFORMANCE.md says what the server's own tables say, and all of it."""

from pathlib import Path

import pytest

from archimage.protocol.uids import STORAGE_SOP_CLASSES, TRANSFER_SYNTAXES
from archimage.web.dicomweb.table import RESOURCES
from scripts.conformance import statement

COMMITTED = Path(__file__).parents[1] / "CONFORMANCE.md"


@pytest.fixture(scope="module")
def made() -> str:
    """The statement, made now."""
    return statement()


def test_the_committed_statement_is_what_the_tables_give(made: str) -> None:
    assert COMMITTED.read_text("utf-8") == made, "run `make conformance` and commit CONFORMANCE.md"


@pytest.mark.parametrize("uids", [STORAGE_SOP_CLASSES, TRANSFER_SYNTAXES], ids=["SOP classes", "transfer syntaxes"])
def test_every_uid_has_its_line(made: str, uids: dict[str, str]) -> None:
    assert [uid for uid, name in uids.items() if f"| `{uid}` | {name} |" not in made] == []


def test_every_resource_has_its_line_and_every_parameter_is_told(made: str) -> None:
    for resource in RESOURCES:
        address = f"{resource.root}{resource.path}".replace(":path}", "}")
        assert f"| {resource.method} | `{address}` | {resource.summary} | " in made
        assert [found.name for found in resource.parameters if f"| `{found.name}` | " not in made] == []


def test_the_state_machine_has_the_states_of_the_standard(made: str) -> None:
    assert "the standard's 13 states" in made
