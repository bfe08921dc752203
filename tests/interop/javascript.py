"""Scripts in node, by which npm packages are peers: they read a JSON object, and write JSON."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.interop.peers import missing

DCMJS: Final = "dcmjs-dimse"
ROOT: Final = Path(__file__).parents[2]
"""Where node finds the packages."""
_WITHIN_S: Final = 60.0


def node(*packages: str) -> str:
    """Return the path of node; where it or a package is missing, CI fails and others skip."""
    found = shutil.which("node")
    if found is None or not all((ROOT / "node_modules" / package).is_dir() for package in packages):
        missing("node or the npm packages of the tests are missing: apt-get install nodejs npm; make peers")
    return found


def outcome(script: Path, asked: Mapping[str, Any], *packages: str) -> Any:
    """Run a script to its end; return what it wrote last."""
    done = subprocess.run(
        [node(*packages), script],
        input=json.dumps(asked),
        capture_output=True,
        check=True,
        timeout=_WITHIN_S,
        cwd=ROOT,
        encoding="utf-8",
    )
    return json.loads(done.stdout.splitlines()[-1])


class Listener:
    """A script that takes what it is sent, and writes a line for it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def told(self) -> Any:
        """Return what it writes next."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@contextmanager
def listening(script: Path, asked: Mapping[str, Any], *packages: str) -> Iterator[Listener]:
    """Run a script until the end of the block; its first line tells that it listens."""
    command = [node(*packages), str(script)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(asked))
            process.stdin.close()
            assert process.stdout.readline().strip() in {"listening", "ready"}
            yield Listener(process)
        finally:
            process.kill()
