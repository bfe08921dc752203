"""A real browser before a real server that holds the demo studies and one whose texts are hostile."""

import os
from collections.abc import Iterator
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from typing import Final

import pydicom
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from archimage.dicom.demo import demo_files
from bench.browser import ARGUMENTS
from tests.attacks.server import Server, running
from tests.hl7.sending import ENABLED

CHROMIUM: Final = Path("/usr/bin/chromium")
HOSTILE: Final = "<script>alert(1)</script>^\"'><plaintext>"
HOSTILE_STUDY: Final = "1.2.826.0.1.3680043.8.499.48"
_SLICES: Final = 12
_OWN: Final = ("blob:", "data:", "chrome-extension:", "chrome:")
"""What a browser asks itself for, its reader of PDF among it."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window. It ends with the module: beside Playwright's no other event loop can run."""
    if not CHROMIUM.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("Chromium is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield found
        found.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the demo studies, a CT of twelve slices among them, and a study with markup in its texts."""
    with running(tmp_path_factory.mktemp("browser") / "data", settings=ENABLED) as found:
        files = list(demo_files(_SLICES))
        for file in (*files, hostile(files[0])):
            upload(found.http_port, file)
        yield found


@pytest.fixture(scope="module")
def origin(server: Server) -> str:
    """Where the pages are."""
    return f"http://127.0.0.1:{server.http_port}"


@pytest.fixture
def page(browser: Browser, origin: str) -> Iterator[Page]:
    """A page of a new visitor; whatever it complains of, or asks of others, fails the test."""
    wrong: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error":
            wrong.append(f"console: {message.text}")

    def see(request: Request) -> None:
        if not request.url.startswith((f"{origin}/", *_OWN)):
            wrong.append(f"asked: {request.url}")

    context = browser.new_context(viewport={"width": 1280, "height": 800}, base_url=origin)
    context.set_default_timeout(20_000)
    found = context.new_page()
    found.on("console", hear)
    found.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    found.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
    found.on("request", see)
    yield found
    context.close()
    assert wrong == []


def hostile(file: bytes) -> bytes:
    """Return an image as a study of its own, with markup in every text that pages show."""
    dataset = pydicom.dcmread(BytesIO(file))
    dataset.StudyInstanceUID = HOSTILE_STUDY
    dataset.SeriesInstanceUID = f"{HOSTILE_STUDY}.1"
    dataset.SOPInstanceUID = f"{HOSTILE_STUDY}.1.1"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.PatientName = HOSTILE
    dataset.PatientID = dataset.AccessionNumber = "HOSTILE"
    dataset.StudyDescription = dataset.SeriesDescription = HOSTILE
    dataset.StudyDate = "19990101"
    written = BytesIO()
    dataset.save_as(written)
    return written.getvalue()


def upload(port: int, file: bytes) -> None:
    """Store a Part 10 file."""
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", "/api/v1/upload", file, {"Content-Type": "application/dicom"})
    assert connection.getresponse().status == 200
    connection.close()
