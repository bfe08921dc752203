"""The ten commands of docs/security.md, typed as written, and what the page shows after them."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.test_docs import ROOT
from tests.typist import Typed, Typist, check

PAGE: Final = ROOT / "docs" / "security.md"
PASSWORD: Final = "correct horse battery"


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> list[Typed]:
    """Each example with its exit code and what it printed, on loopback alone."""
    directory: Path = tmp_path_factory.mktemp("site")
    (directory / "password").write_text(PASSWORD)
    environment = {
        "ARCHIMAGE__DICOM__HOST": "127.0.0.1",
        "ARCHIMAGE__HTTP__HOST": "127.0.0.1",
        "ARCHIMAGE__DICOM__TLS_PORT": "2762",
        "ARCHIMAGE__HTTP__PORT": "8042",
    }
    return list(Typist(directory, ("2762", "8042"), environment, f"{PASSWORD}\n").types_all(PAGE))


def test_the_page_has_ten_commands() -> None:
    text = PAGE.read_text("utf-8").partition("## See for yourself")[0]
    assert re.findall(r"^\*\*(\d+)\.\*\*", text, re.MULTILINE) == [str(number) for number in range(1, 11)]
    assert text.count("```sh\n") == 10


def test_every_command_does_what_the_page_says(typed: list[Typed]) -> None:
    assert len(typed) == 12
    check(typed)
