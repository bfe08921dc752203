"""The command line run inside the test's process, and our server beside it as another."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from archimage.cli.main import main
from archimage.dicom.demo import demo_files
from archimage.net.conversation import RemoteNode
from tests.interop.peers import serve
from tests.logged import logging_restored


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


Invoke = Callable[..., Result]


@pytest.fixture
def archimage(capsys: pytest.CaptureFixture[str]) -> Iterator[Invoke]:
    """Run a command line; logging is as before when the test ends."""

    def invoke(*arguments: object) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return Result(int(ended.value.code or 0), out, err)

    with logging_restored():
        yield invoke


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of demo studies, in subfolders, beside a file that is no DICOM."""
    folder = tmp_path_factory.mktemp("studies")
    (folder / "README.txt").write_text("not an image")
    for number, data in enumerate(demo_files(slices=2)):
        file = folder / f"part{number % 2}" / f"{number}.dcm"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteNode]:
    """Our server over an empty archive, one for the module."""
    with serve(tmp_path_factory.mktemp("archive") / "data") as node:
        yield node
