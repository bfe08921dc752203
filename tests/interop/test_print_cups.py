"""Films on paper by a real CUPS: a cupsd of the test's own, with a queue whose program keeps what it is to print."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from archimage.protocol import uids
from tests.attacks.server import wait_until
from tests.interop import peers
from tests.interop.peers import Served, process, serve_both, tool
from tests.printing.films import Films, image, modality, pdf_pictures

_SERVER: Final = """
Listen {directory}/socket
Browsing Off
DefaultAuthType None
WebInterface No
MaxLogSize 0
<Policy default>
  <Limit All>
    Order allow,deny
    Allow all
  </Limit>
</Policy>
"""
_FILES: Final = """
ServerRoot {directory}/root
ServerBin {directory}/programs
RequestRoot {directory}/spool
CacheDir {directory}/cache
StateDir {directory}/state
TempDir {directory}/temporary
AccessLog {directory}/access.log
ErrorLog {directory}/error.log
PageLog {directory}/page.log
"""
# CUPS calls it with the job, its user, its title, copies, options and the file, or without a word to ask what it is.
_BACKEND: Final = """#!/bin/sh
[ $# -eq 0 ] && exit 0
printf '%s\\n%s' "$4" "$5" > "{directory}/$1.part"
cat "$6" > "{directory}/$1.pdf"
mv "{directory}/$1.part" "{directory}/$1.told"
"""
_DAEMONS: Final = Path("/usr/lib/cups/daemon")


class Cups:
    """A cupsd with the queue `films`."""

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "socket"
        self.paper = directory / "paper"
        self._environment = {**os.environ, "CUPS_SERVER": str(self.socket)}

    def run(self, program: str, *arguments: str) -> None:
        """Run one of CUPS' programs."""
        subprocess.run([tool(program), *arguments], env=self._environment, capture_output=True, check=True, timeout=30)

    def printed(self) -> list[tuple[int, str, bytes]]:
        """Return copies, options and the document of each job that was printed."""
        found = []
        for path in sorted(self.paper.glob("*.told"), key=lambda path: int(path.stem)):
            copies, options = path.read_text().split("\n", 1)
            found.append((int(copies), options, path.with_suffix(".pdf").read_bytes()))
        return found


@pytest.fixture(scope="module")
def cups(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cups]:
    """Run a cupsd that nobody but the test talks to."""
    directory, daemon = tmp_path_factory.mktemp("cups"), tool("cupsd")
    for name in ("root", "programs/backend", "spool", "cache", "state", "temporary", "paper"):
        (directory / name).mkdir(parents=True)
    (directory / "programs" / "daemon").symlink_to(_DAEMONS)
    (directory / "cupsd.conf").write_text(_SERVER.format(directory=directory))
    (directory / "cups-files.conf").write_text(_FILES.format(directory=directory))
    backend = directory / "programs" / "backend" / "paper"
    backend.write_text(_BACKEND.format(directory=directory / "paper"))
    backend.chmod(0o700)  # so CUPS runs it as the user that the test is
    found, log = Cups(directory), directory / "cupsd.log"
    command: list[str | Path | int] = [
        daemon,
        "-f",
        "-c",
        directory / "cupsd.conf",
        "-s",
        directory / "cups-files.conf",
    ]
    with process(command, log) as running:
        peers.wait_until(running, found.socket.exists, log)
        found.run("lpadmin", "-p", "films", "-E", "-v", "paper:/", "-m", "raw")
        yield found


@pytest.fixture
def served(cups: Cups, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Our server, which prints on that queue."""
    settings = {"ARCHIMAGE__PRINT__OUTPUT": "cups", "ARCHIMAGE__PRINT__QUEUE": "films"}
    for name, value in {**settings, "CUPS_SERVER": str(cups.socket), "LC_ALL": "C.UTF-8"}.items():
        monkeypatch.setitem(peers.ENVIRONMENT, name, value)
    with serve_both(tmp_path / "data") as found:
        yield found


def _printed(served: Served, **session: Any) -> str:
    """Print a film; return the UID of its job."""
    pixels = np.random.default_rng(1).integers(0, 256, (30, 40), np.uint8)
    with modality(served.node) as printing:
        assert printing.begin(**session) == 0
        _, boxes = printing.film(MagnificationType="NONE")
        assert printing.put(boxes[0], 1, image(pixels)) == 0
        status, job = printing.print()
        assert status == 0
        return job


def test_a_film_comes_out_of_the_queue_as_it_is_kept(cups: Cups, served: Served) -> None:
    films, before = Films(served.dicomweb_url.removesuffix("/dicom-web")), len(cups.printed())
    job = _printed(served, NumberOfCopies=3)
    assert wait_until(lambda: films.job(job)["state"] in {"done", "failed"}, 30)
    assert (films.job(job)["state"], films.job(job)["error"]) == ("done", "")
    assert wait_until(lambda: len(cups.printed()) > before, 30)
    ((copies, options, document),) = cups.printed()[before:]
    assert (copies, "fit-to-page" in options.split(), document) == (3, True, films.pdf(job))
    assert len(pdf_pictures(document)) == 1


def test_what_a_queue_does_not_take_is_printed_once_it_does(cups: Cups, served: Served) -> None:
    films, before = Films(served.dicomweb_url.removesuffix("/dicom-web")), len(cups.printed())
    cups.run("cupsreject", "films")
    try:
        job = _printed(served)
        assert wait_until(lambda: films.job(job)["error"] != "", 30)
        assert films.job(job)["error"] == 'CUPS does not take the films: lp: Destination "films" is not accepting jobs.'
        assert len(cups.printed()) == before
    finally:
        cups.run("cupsaccept", "films")
    assert wait_until(lambda: films.job(job)["state"] == "done", 30)
    assert wait_until(lambda: len(cups.printed()) > before, 30)
    ((copies, _, document),) = cups.printed()[before:]
    assert (copies, document) == (1, films.pdf(job))


def test_a_printer_whose_queue_is_missing_says_so_in_its_job(cups: Cups, served: Served) -> None:
    films = Films(served.dicomweb_url.removesuffix("/dicom-web"))
    cups.run("lpadmin", "-x", "films")
    try:
        job = _printed(served)
        assert wait_until(lambda: films.job(job)["error"] != "", 30)
        told = "CUPS does not take the films: lp: Error - The printer or class does not exist."
        assert films.job(job)["error"] == told
        assert films.post(job, "cancel")["state"] == "cancelled"
    finally:
        cups.run("lpadmin", "-p", "films", "-E", "-v", "paper:/", "-m", "raw")
    with modality(served.node) as printing:
        assert printing.get(uids.PRINT_JOB, job, [], context="own")[1].ExecutionStatus == "FAILURE"  # type: ignore[union-attr]
