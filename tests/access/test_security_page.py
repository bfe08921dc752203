"""The ten commands of docs/security.md, typed as written, and what the page shows after them."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.interop.peers import free_port, process, wait_until
from tests.test_docs import ROOT, Example, examples

PAGE: Final = ROOT / "docs" / "security.md"
PASSWORD: Final = "correct horse battery"


class Administrator:
    """Somebody who types what the page says, with other ports and on loopback alone."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ports = {"2762": str(free_port()), "8042": str(free_port())}
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "ARCHIMAGE__DICOM__HOST": "127.0.0.1",
            "ARCHIMAGE__HTTP__HOST": "127.0.0.1",
            "ARCHIMAGE__DICOM__TLS_PORT": self.ports["2762"],
            "ARCHIMAGE__HTTP__PORT": self.ports["8042"],
        }
        (directory / "password").write_text(PASSWORD)

    def types(self, code: str) -> tuple[int, str]:
        """Run lines in a shell; return its exit code and what it prints, ports as on the page."""
        for port, ours in self.ports.items():
            code = re.sub(rf"\b{port}\b", ours, code)
        ended = subprocess.run(
            ["bash", "-uc", code],
            cwd=self.directory,
            env=self.environment,
            input=f"{PASSWORD}\n",
            stdout=subprocess.PIPE,
            stderr=sys.stderr,
            timeout=60,
            check=False,
            text=True,
        )
        printed = ended.stdout
        for port, ours in self.ports.items():
            printed = printed.replace(ours, port)
        return ended.returncode, printed


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[Example, int, str]]]:
    """Each example with its exit code and what it printed."""
    administrator = Administrator(tmp_path_factory.mktemp("site"))
    page = examples(PAGE)
    start = next(number for number, example in enumerate(page) if example.code == "archimage serve &\n")
    before, after = page[:start], page[start + 1 :]
    done = [(example, *administrator.types(example.code)) for example in before]
    command, log = (sys.executable, "-m", "archimage", "serve"), administrator.directory / "serve.log"
    with process(command, log, cwd=administrator.directory, env=administrator.environment) as server:
        wait_until(server, lambda: "ready " in log.read_text(), log)  # whoever tried the ports would stand in the trail
        yield done + [(example, *administrator.types(example.code)) for example in after]


def test_the_page_has_ten_commands() -> None:
    text = PAGE.read_text("utf-8").partition("## See for yourself")[0]
    assert re.findall(r"^\*\*(\d+)\.\*\*", text, re.MULTILINE) == [str(number) for number in range(1, 11)]
    assert text.count("```sh\n") == 10


def test_every_command_does_what_the_page_says(typed: list[tuple[Example, int, str]]) -> None:
    assert len(typed) == 12
    for example, code, printed in typed:
        assert code == 0, f"line {example.line}: {example.code}"
        if example.shown:
            assert example.gives(printed), f"line {example.line}:\n{example.code}\nprinted\n{printed}"
