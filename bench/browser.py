"""A real browser before a server: Debian's Chromium, whose own clock measures what a person waits for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from bench import process
from bench.process import Running

ARGUMENTS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WITHOUT_GPU = ("--disable-gpu",)
WEBGL_IN_SOFTWARE = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")
WITHIN_MS = 20_000


@contextmanager
def chromium(*, webgl: bool = False) -> Iterator[Browser]:
    """Run a browser without a window, as one that has no graphics processor.

    webgl has it do in software what such a processor would; then it paints pages that way too, and takes twice as long.
    """
    program = process.require("chromium", "chromium")
    graphics = WEBGL_IN_SOFTWARE if webgl else WITHOUT_GPU
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=Path(program), args=[*ARGUMENTS, *graphics])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visitor(browser: Browser, server: Running, watching: str = "") -> Iterator[Page]:
    """Open a page of somebody whose browser has kept nothing; watching is a script that runs before any other."""
    address = f"http://127.0.0.1:{server.http_port}"
    # The policy of the pages would refuse the expressions that are waited for here.
    context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 800}, bypass_csp=True)
    context.set_default_timeout(WITHIN_MS)
    if watching:
        context.add_init_script(watching)
    try:
        yield context.new_page()
    finally:
        context.close()


def first_paint_ms(page: Page) -> float:
    """Return when the page first showed something, milliseconds from the beginning of the navigation."""
    return float(
        page.evaluate(
            """() => new Promise(resolve => new PerformanceObserver((list, watcher) => {
              const [paint] = list.getEntriesByName("first-contentful-paint");
              if (paint) { watcher.disconnect(); resolve(paint.startTime); }
            }).observe({ type: "paint", buffered: true }))"""
        )
    )
