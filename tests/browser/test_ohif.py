"""OHIF on our DICOMweb, as somebody uses it: pixels that change, no complaint, no request to another server."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from io import BytesIO
from typing import Final
from urllib.parse import urlsplit

import numpy as np
import pydicom
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect
from pydicom.uid import generate_uid

from tests.attacks.server import Server
from tests.browser.conftest import upload
from tests.browser.wrapping import pdf_file, video_file

pytestmark = pytest.mark.timeout(300)
_LOADING_MS: Final = 120_000
_USUAL_MS: Final = 5_000
_CANVAS: Final = "canvas.cornerstone-canvas"
_COLOURED: Final = """canvas => {
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let found = 0;
  for (let at = 0; at < data.length; at += 4) found += Math.abs(data[at] - data[at + 2]) > 40;
  return found;
}"""
_GREYS: Final = """canvas => {
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let sum = 0, lit = 0;
  for (let at = 0; at < data.length; at += 4) { sum += data[at] * (1 + at % 8191); lit += data[at] > 0; }
  return [sum, lit / (data.length / 4)];
}"""


@pytest.fixture(scope="module", autouse=True)
def _installed(server: Server) -> None:
    """Install OHIF beside the server while that runs, as `make serve` does."""
    if shutil.which("npm") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("npm is missing: apt-get install npm")
    command = [sys.executable, "-m", "archimage", "viewer", "install", "--data", str(server.directory)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    if ended.returncode != 0:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"OHIF cannot be installed: {ended.stderr}")


@pytest.fixture
def patient(page: Page) -> Iterator[Page]:
    """A page of somebody who waits until OHIF has loaded."""
    page.set_default_timeout(_LOADING_MS)
    expect.set_options(timeout=_LOADING_MS)
    yield page
    expect.set_options(timeout=_USUAL_MS)


def picture(canvas: Locator) -> tuple[float, float]:
    """Return a number that differs where pixels do, and which part of the canvas is not black."""
    mixed, lit = canvas.evaluate(_GREYS)
    return mixed, lit


def open_study(page: Page, query: str) -> Locator:
    """Open the first study that a search finds; return the canvas once something is to be seen."""
    page.goto(f"/?q={query}")
    page.get_by_role("link", name="View").first.click()
    canvas = page.locator(_CANVAS)
    expect(canvas).to_have_count(1)
    page.wait_for_function(f"() => ({_GREYS})(document.querySelector('{_CANVAS}'))[1] > 0.02")
    return canvas


def wait_for_another(page: Page, before: float) -> None:
    """Wait until the canvas shows something else."""
    page.wait_for_function(f"before => ({_GREYS})(document.querySelector('{_CANVAS}'))[0] !== before", arg=before)


def test_a_ct_is_shown_and_scrolled(patient: Page) -> None:
    canvas = open_study(patient, "demo-ct")
    expect(patient.get_by_text("(1/12)")).to_be_visible()
    first, lit = picture(canvas)
    assert lit > 0.1
    box = canvas.bounding_box()
    assert box
    patient.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    patient.mouse.wheel(0, 120)
    expect(patient.get_by_text("(2/12)")).to_be_visible()
    wait_for_another(patient, first)
    assert picture(canvas)[1] > 0.1


def test_a_cine_is_shown_and_played(patient: Page) -> None:
    canvas = open_study(patient, "demo-us")
    first, _ = picture(canvas)
    patient.locator("[data-cy=cine-player-play-pause]").click()
    wait_for_another(patient, first)


@pytest.mark.parametrize(("name", "syntax"), [("JLS", "1.2.840.10008.1.2.4.80"), ("HTJ2K", "1.2.840.10008.1.2.4.201")])
def test_compressed_images_are_decoded_by_its_workers(patient: Page, server: Server, name: str, syntax: str) -> None:
    keep_compressed(server.http_port, name, syntax)
    assert picture(open_study(patient, name))[1] > 0.1


def test_a_segmentation_is_laid_over_its_images(patient: Page) -> None:
    canvas = open_study(patient, "demo-ct")
    assert canvas.evaluate(_COLOURED) == 0
    patient.get_by_text("Organs", exact=True).dblclick()
    expect(patient.get_by_text("Do you want to open this Segmentation?")).to_be_visible()
    patient.wait_for_function(f"() => ({_COLOURED})(document.querySelector('{_CANVAS}')) > 200")


def test_a_report_is_read(patient: Page) -> None:
    open_study(patient, "demo-ct")
    patient.get_by_text("Measurements", exact=True).dblclick()
    for told in ("Oncology Measurement Report", "Right lung", "Spleen"):
        expect(patient.get_by_text(told).first).to_be_visible()


def test_a_video_is_shown_and_played(patient: Page, browser: Browser, server: Server) -> None:
    upload(server.http_port, video_file(browser))
    canvas = open_study(patient, "demo-video")
    patient.wait_for_function(f"() => ({_COLOURED})(document.querySelector('{_CANVAS}')) > 10000")
    first, _ = picture(canvas)
    canvas.click()
    patient.keyboard.press("c")
    patient.locator("[data-cy=cine-player-play-pause]").click()
    wait_for_another(patient, first)


def test_a_pdf_is_shown_by_the_browsers_own_reader(patient: Page, browser: Browser, server: Server) -> None:
    upload(server.http_port, pdf_file(browser))
    patient.goto("/?q=demo-pdf")
    patient.get_by_role("link", name="View").click()
    document = patient.locator("object[type='application/pdf']")
    expect(document).to_be_visible()
    deadline = time.monotonic() + _LOADING_MS / 1000
    while blue(document.screenshot()) < 0.2:
        assert time.monotonic() < deadline, "the document was not painted"


def blue(screenshot: bytes) -> float:
    """Return which part of a picture is of the colour of the document."""
    pixels = np.asarray(Image.open(BytesIO(screenshot)).convert("RGB")).astype(int)
    return float((np.abs(pixels - (0, 0, 255)).max(axis=2) < 40).mean())


def keep_compressed(port: int, patient_id: str, syntax: str) -> None:
    """Store an image of the demo as a study of its own in another transfer syntax; the archive itself transcodes it."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", "/dicom-web/instances?Modality=CT&PatientID=DEMO-CT&limit=1")
        (found,) = json.loads(connection.getresponse().read())
        path = urlsplit(found["00081190"]["Value"][0]).path
        connection.request("GET", path, headers={"Accept": f"application/dicom; transfer-syntax={syntax}"})
        dataset = pydicom.dcmread(BytesIO(connection.getresponse().read()))
        assert dataset.file_meta.TransferSyntaxUID == syntax
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            setattr(dataset, keyword, generate_uid())
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.PatientID = dataset.AccessionNumber = patient_id
        dataset.PatientName, dataset.StudyDescription = "Demo^Compressed", patient_id
        written = BytesIO()
        dataset.save_as(written)
        connection.request("POST", "/api/v1/upload", written.getvalue(), {"Content-Type": "application/dicom"})
        assert connection.getresponse().status == 200
