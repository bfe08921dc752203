"""The pages in a real browser: the study list over 100,000 studies, and the first image of a CT of 500.

What is measured is what a person waits for: from the navigation to the paint, from the key to the paint of the list
that it changes. Every study of the list has its thumbnail drawn by the server meanwhile. No search is made twice.
"""

import shutil
import sqlite3
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, Page

from bench import archives, browser, filled, peers, process
from bench.data import CT_500, Objects
from bench.figures import OURS, Sample, Target
from bench.filled import INDEX_NAME, FilledIndex
from bench.harness import Bench
from bench.process import Running

STUDIES = 100_000
WITHIN_FIRST_MS, WITHIN_KEY_MS, WITHIN_IMAGE_MS = 300, 100, 500
WORDS: Mapping[str, Sequence[str]] = {
    "names": ("badel", "göran", "yamanoue", "wenzim", "вым"),
    "common words": ("exam", "pid000", "a0001"),
    "rare words": ("pid0012345", "exam 7 bal", "nobody"),
    "two words": ("an ba", "jo yar"),
}
FILTERS: Mapping[str, str] = {"of CT": "modality=CT", "of US": "modality=US", "since 2010": "from=2010-01-01"}
FILTERED = ("fin", "ost")
ORDERS = ("study_date", "patient_name", "study_description")
_KEYS = """addEventListener("input", ({target, timeStamp}) => {
  if (target.id !== "q") return;
  const told = (window.told ??= []), text = target.value.trim();
  const look = new MutationObserver(() => {
    const asked = new URLSearchParams(location.search).get("q") ?? "";
    if (document.querySelector("#list[aria-busy]") || asked !== text) return;
    look.disconnect();
    requestAnimationFrame(() => setTimeout(() => told.push(performance.now() - timeStamp)));
  });
  look.observe(document.getElementById("main"), {childList: true, subtree: true, attributes: true});
}, true)"""
"""Notes for each key how long it takes until the list that it asks for has been painted."""
_IMAGE = """{
  const draw = CanvasRenderingContext2D.prototype.drawImage;
  CanvasRenderingContext2D.prototype.drawImage = function (...given) {
    draw.apply(this, given);
    window.drawn ??= new Promise(resolve => requestAnimationFrame(() => setTimeout(() => resolve(performance.now()))));
  };
}"""
"""Notes when the first image has been painted."""


def pages_list(bench: Bench) -> None:
    """Open a long study list, search it key by key, filter, sort and page it."""
    studies = STUDIES // 10 if bench.quick else STUDIES
    index = filled.prepare(bench.out / "data", studies, 1)
    image = bench.objects(CT_500).files[0]
    case = f"study list of {studies:,} studies"
    bench.expect([Target(f"{case}, first paint, {kind}", WITHIN_FIRST_MS, at_most=True) for kind in _visits(studies)])
    typed = [f"{case}, key, {kind}, {what}" for kind in (*WORDS, *FILTERS, *ORDERS[1:]) for what in ("p50", "p95")]
    bench.expect([Target(kind, WITHIN_KEY_MS, at_most=True) for kind in typed])
    bench.alternate(case, {OURS: partial(_list, bench, case, index, image, studies)}, rounds=1)


def pages_viewer(bench: Bench) -> None:
    """Open the viewer with a CT."""
    objects = bench.objects(CT_500)
    case = f"viewer, CT of {objects.count}, first image"
    bench.expect([Target(case, WITHIN_IMAGE_MS, at_most=True)])

    def measure() -> Iterator[Sample]:
        fill = archives.by_dimse(objects)
        with archives.holding(OURS, bench.work, fill) as server, browser.chromium() as chromium:
            for _ in range(5):
                yield Sample(case, OURS, _first_image(chromium, server, objects), "ms")

    bench.alternate(case, {OURS: measure}, rounds=1)


def _first_image(chromium: Browser, server: Running, objects: Objects) -> float:
    with browser.visitor(chromium, server, _IMAGE) as page:
        page.goto(f"/viewer?study={objects.study(0).removeprefix('studies/')}", wait_until="commit")
        page.wait_for_function("window.drawn")
        return float(page.evaluate("window.drawn"))


def _visits(studies: int) -> Mapping[str, str]:
    middle = studies // 100
    pages = {"newest first": "/", "middle page": f"/?page={middle}", "searched": "/?q=del"}
    return pages | {f"by {order}": f"/?sort={order}" for order in ORDERS}


def _list(bench: Bench, case: str, index: FilledIndex, image: Path, studies: int) -> Iterator[Sample]:
    with process.fresh_directory(bench.work, "archimage") as directory:
        index.install(directory)
        _illustrate(directory, image)
        with peers.archimage_on(directory) as server, browser.chromium() as chromium:
            with browser.visitor(chromium, server) as page:
                page.goto("/")  # the first page of a process loads what pages need
                page.wait_for_load_state("networkidle")
            for kind, address in _visits(studies).items():
                with browser.visitor(chromium, server) as page:
                    page.goto(address, wait_until="commit")
                    yield Sample(f"{case}, first paint, {kind}", OURS, browser.first_paint_ms(page), "ms")
            with browser.visitor(chromium, server, _KEYS) as page:
                for kind, words in WORDS.items():
                    yield from _typed(page, f"{case}, key, {kind}", "/", words)
                for kind, asked in FILTERS.items():
                    yield from _typed(page, f"{case}, key, {kind}", f"/?{asked}", FILTERED)
                for order in ORDERS[1:]:
                    yield from _typed(page, f"{case}, key, {order}", f"/?sort={order}", (f"el{order[0]}", "ruds"))


def _typed(page: Page, case: str, address: str, words: Sequence[str]) -> Iterator[Sample]:
    """Type words, each key once the list of the last is there, and take them away again."""
    times: list[float] = []
    for word in words:
        page.goto(address)
        page.locator("#q").focus()
        for number, key in enumerate(word, 1):
            page.keyboard.insert_text(key)
            page.wait_for_function(f"window.told?.length === {number}")
        times += page.evaluate("window.told")
    times.sort()
    yield Sample(f"{case}, p50", OURS, statistics.median(times), "ms")
    yield Sample(f"{case}, p95", OURS, times[int(0.95 * (len(times) - 1))], "ms")


def _illustrate(directory: Path, image: Path) -> None:
    """Let every row of the index stand for one real image, so that each study has a picture."""
    place = directory / "objects" / "shared.dcm"
    place.parent.mkdir(exist_ok=True)
    shutil.copyfile(image, place)
    content = place.read_bytes()
    values = (place.name, len(content), 144 + int.from_bytes(content[140:144], "little"))
    with closing(sqlite3.connect(directory / INDEX_NAME)) as database:
        database.execute(
            "UPDATE instance SET file_path = ?, size_bytes = ?, data_set_offset = ?, frames = NULL", values
        )
        database.commit()
