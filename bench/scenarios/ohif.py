"""OHIF opens a CT of 600 images in a browser: how long its requests take, and how long it is until one sees something.

The browser renders in software on the same processor as the server, so its requests wait for it too; the same requests
are therefore sent once more by the lean client, one after another, which shows what the server alone takes.
"""

import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from playwright.sync_api import Request

from bench import archives, browser, machine, peers, process, web
from bench.data import SERIES_600, Objects
from bench.figures import OURS, Sample, Target
from bench.harness import Bench
from bench.process import Running

INSTALL_WITHIN_S = 300
SEES_WITHIN_MS = 120_000
FRAMES = 100  # of the series are asked for again by the lean client
SEEN = """() => {
  const canvas = document.querySelector("canvas.cornerstone-canvas");
  if (!canvas?.width) return false;
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < data.length; at += 4) if (data[at]) return true;
  return false;
}"""
KINDS: Mapping[str, str] = {
    "/frames/": "frames",
    "/thumbnail": "thumbnails",
    "/metadata": "metadata",
    "/series?": "series search",
    "/studies?": "study search",
}
Asked = tuple[str, str, float]
"""Address below the root of DICOMweb, what is accepted, and how long it took, milliseconds."""


def ohif(bench: Bench) -> None:
    """Open a series that nobody has asked for since the server was started."""
    objects = bench.objects(SERIES_600)
    case = f"OHIF opens a CT of {objects.count}"
    for kind in KINDS.values():
        bench.expect([Target(f"{case}, slowest of its {kind}{who}", 100, at_most=True) for who in ("", ", alone")])
    viewer = _installed(bench.out / "viewer")
    bench.note(case, "the archive has no derived files, and no worker process, when the page is asked for.")
    bench.alternate(case, {OURS: partial(_measure, bench, case, objects, viewer)})


def _installed(directory: Path) -> Path:
    """Return the file of the installed viewer."""
    command = [*peers.ARCHIMAGE_COMMAND, "viewer", "install", "--data", str(directory)]
    file = directory / "viewer" / "ohif.zip"
    if not file.exists():
        ended = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_WITHIN_S, check=False)
        if ended.returncode:
            raise process.ServerError(f"OHIF cannot be installed: {ended.stderr.strip()}")
    return file


def _measure(bench: Bench, case: str, objects: Objects, viewer: Path) -> Iterator[Sample]:
    with archives.filled(OURS, bench.work, archives.by_dimse(objects)) as directory:
        shutil.rmtree(directory / "cache", ignore_errors=True)
        (directory / "viewer").mkdir()
        shutil.copy(viewer, directory / "viewer")
        machine.forget_files(directory)
        with peers.archimage_on(directory) as server:
            seen, asked = _opened(server, objects.study(0).partition("/")[2])
            yield Sample(f"{case}, until it is seen", OURS, seen, "s")
            yield from _slowest(f"{case}, slowest of its {{}}", asked)
            yield from _slowest(f"{case}, slowest of its {{}}, alone", list(_again(server, asked)))


def _opened(server: Running, study: str) -> tuple[float, list[Asked]]:
    """Open a study in a new browser; return after how many seconds it is seen, and what was asked of DICOMweb."""
    asked: list[Asked] = []

    def note(request: Request) -> None:
        _, found, path = request.url.partition(web.ROOT)
        if found:
            timing = request.timing
            asked.append((path, request.headers.get("accept", "*/*"), timing["responseEnd"] - timing["requestStart"]))

    with browser.chromium(webgl=True) as chromium, browser.visitor(chromium, server) as page:
        page.on("requestfinished", note)
        start = time.perf_counter()
        page.goto(f"/ohif/viewer?StudyInstanceUIDs={study}")
        page.wait_for_function(SEEN, timeout=SEES_WITHIN_MS)
        seen = time.perf_counter() - start
        page.wait_for_load_state("networkidle", timeout=SEES_WITHIN_MS)
    return seen, asked


def _again(server: Running, asked: list[Asked]) -> Iterator[Asked]:
    """Ask the same, one after another; of the frames some."""
    frames = [one for one in asked if "/frames/" in one[0]][:FRAMES]
    with web.Connection(server) as connection:
        for path, accept, _ in [one for one in asked if "/frames/" not in one[0]] + frames:
            answer = connection.get(path, accept).require()
            yield path, accept, 1000 * answer.seconds


def _slowest(case: str, asked: list[Asked]) -> Iterator[Sample]:
    found: dict[str, list[float]] = defaultdict(list)
    for path, _, milliseconds in asked:
        kind = next((kind for part, kind in KINDS.items() if part in f"/{path}"), "other requests")
        found[kind].append(milliseconds)
    for kind, values in found.items():
        yield Sample(case.format(kind), OURS, max(values), "ms")
