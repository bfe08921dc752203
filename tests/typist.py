"""Somebody who types what a page of docs says into a shell, in a directory of his own, with other ports."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.interop.peers import free_port, process, wait_until
from tests.test_docs import Example, examples

Typed = tuple[Example, int, str]
"""What was typed, its exit code, and what it printed."""


class Typist:
    """Types examples; ports are those of the page, environment is what is set beside them."""

    def __init__(
        self, directory: Path, ports: Iterable[str], environment: Mapping[str, str], answers: str = ""
    ) -> None:
        self.directory = directory
        self.ports = {port: str(free_port()) for port in ports}
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            **{name: self._ours(value) for name, value in environment.items()},
        }
        self._answers = answers

    def types(self, example: Example) -> Typed:
        """Run an example; answers are what is typed when something asks."""
        command = ["bash", "-uc"] if example.language == "sh" else [sys.executable, "-c"]
        ended = subprocess.run(
            [*command, self._ours(example.code)],
            cwd=self.directory,
            env=self.environment,
            input=self._answers,
            stdout=subprocess.PIPE,
            stderr=sys.stderr,
            timeout=60,
            check=False,
            text=True,
        )
        printed = ended.stdout
        for port, ours in self.ports.items():
            printed = printed.replace(ours, port)
        return example, ended.returncode, printed

    def types_all(self, page: Path) -> Iterator[Typed]:
        """Type a page, whose line `archimage serve &` starts a server that runs until the last example."""
        todo = examples(page)
        start = next(number for number, example in enumerate(todo) if example.code == "archimage serve &\n")
        yield from map(self.types, todo[:start])
        command, log = (sys.executable, "-m", "archimage", "serve"), self.directory / "serve.log"
        with process(command, log, cwd=self.directory, env=self.environment) as server:
            wait_until(server, lambda: "ready " in log.read_text(), log)
            yield from map(self.types, todo[start + 1 :])

    def _ours(self, text: str) -> str:
        for port, ours in self.ports.items():
            text = re.sub(rf"\b{port}\b", ours, text)
        return text


def check(typed: Sequence[Typed]) -> None:
    """Assert that every example does what its page says."""
    for example, code, printed in typed:
        assert code == 0, f"line {example.line}: {example.code}"
        if example.shown:
            assert example.gives(printed), f"line {example.line}:\n{example.code}\nprinted\n{printed}"
