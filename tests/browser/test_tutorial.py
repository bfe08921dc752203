"""docs/tutorial.md is walked: its commands are run as they stand there, and its pages clicked through."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.test_viewer import greys, open_viewer
from tests.interop.peers import free_port, listens, process, wait_until

ROOT: Final = Path(__file__).parents[2]
TUTORIAL: Final = ROOT / "docs" / "tutorial.md"
_BLOCK: Final = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PORTS: Final = ("11112", "8042", "11113", "8043", "11119")
_FIRST_START_S: Final = 150.0  # the invented studies are made first, and the machine may be busy


class Newcomer:
    """Somebody who reads the tutorial from top to bottom and copies what stands there; ports are free ones."""

    def __init__(self, directory: Path, running: ExitStack) -> None:
        self._blocks = iter(_BLOCK.findall(TUTORIAL.read_text("utf-8")))
        self._ports = {port: str(free_port()) for port in _PORTS}
        self._running = running
        self.folder = directory

    def port(self, written: str) -> str:
        """Return the port that stands for the one in the tutorial."""
        return self._ports[written]

    def read(self, kind: str) -> str:
        """Read the next block, which must be commands (sh) or what they print (text)."""
        found, content = next(self._blocks)
        assert found == kind, content
        return re.sub(r"\b(\d{4,5})\b", lambda number: self._ports.get(number[0], number[0]), content).strip()

    def run(self, commands: str, **environment: str) -> str:
        """Run commands in the folder; return what they print."""
        ended = subprocess.run(
            ["bash", "-euc", commands],
            cwd=self.folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
            encoding="utf-8",
        )
        return ended.stdout.strip()

    def start(self, command: str, port: str) -> Path:
        """Start a server that goes on in its own terminal; return what it writes."""
        log = self.folder.parent / f"{port}.log"
        ports = (f"ARCHIMAGE__DICOM__PORT={self.port('11112')}", f"ARCHIMAGE__HTTP__PORT={self.port('8042')}")
        server = self._running.enter_context(process(["env", *ports, *command.split()], log, cwd=self.folder))
        wait_until(server, lambda: listens(int(self.port(port))) and "ready " in log.read_text(), log, _FIRST_START_S)
        return log

    def finished(self) -> bool:
        """Tell whether nothing is left to read."""
        return next(self._blocks, None) is None


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    """Begin to read; whatever was started is ended."""
    with ExitStack() as running:
        yield Newcomer(tmp_path, running)


@contextmanager
def visit(browser: Browser, port: str) -> Iterator[Page]:
    """Open the pages of a server."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, base_url=f"http://127.0.0.1:{port}")
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


def test_the_tutorial_leads_from_a_clone_to_images_and_back_out(newcomer: Newcomer, browser: Browser) -> None:
    start_from_a_clone(newcomer)
    with visit(browser, newcomer.port("8042")) as page:
        find_and_look(page)
        take_out_and_upload(newcomer, page)
        send(newcomer, page)
        with visit(browser, newcomer.port("8043")) as other:
            other.goto("/")
            expect(other.locator("tbody .name")).to_have_text(["Demo, MR"])
        find_out_why(newcomer, page)
    assert newcomer.finished()


def start_from_a_clone(newcomer: Newcomer) -> None:
    """Clone, and start with the environment that is installed already: what is fetched is no part of the test."""
    *first, enter, serve = newcomer.read("sh").splitlines()
    assert (enter, serve) == ("cd archimage", "make serve")
    newcomer.run("\n".join(first), REPOSITORY=str(ROOT))
    newcomer.folder /= "archimage"
    for file in newcomer.folder.rglob("*"):
        os.utime(file, (0, 0))  # older than what was installed from it
    (newcomer.folder / ".venv").symlink_to(ROOT / ".venv")
    tried = newcomer.folder / "data" / "viewer" / ".tried"  # as where npm is not there: the built-in viewer it is
    tried.parent.mkdir(parents=True)
    tried.touch()
    log = newcomer.start(serve, "8042")
    assert newcomer.read("text") in log.read_text()


def find_and_look(page: Page) -> None:
    """Search the CT and go through it as the table says; then the loop of the heart."""
    page.goto("/")
    expect(page.locator("tbody tr")).to_have_count(4)
    page.locator("#q").press_sequentially("demo-ct")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="View").click()
    expect(page.locator(".pane .sw")).to_contain_text("Image 1 / 72")
    canvas = page.locator(".pane canvas")
    expect_lit(canvas)
    page.mouse.move(600, 400)
    page.mouse.wheel(0, 120)
    expect(page.locator(".sw")).to_contain_text("Image 2 / 72")
    page.keyboard.press("End")
    expect(page.locator(".sw")).to_contain_text("Image 72 / 72")
    page.mouse.down()
    page.mouse.move(650, 420, steps=3)
    page.mouse.up()
    expect(page.locator(".se")).not_to_contain_text("W 400 · L 40")
    page.keyboard.press("2")
    expect(page.locator(".se")).to_contain_text("L -")  # lungs lie below water
    page.keyboard.press("r")
    expect(page.locator(".se")).to_contain_text("W 400 · L 40")
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keys and gestures")).to_be_visible()
    open_viewer(page, "demo-us")
    page.keyboard.press(" ")
    expect(page.locator(".sw")).not_to_contain_text("Image 1 /")
    page.keyboard.press(" ")
    expect(page.locator("[data-do=cine]")).to_have_attribute("aria-pressed", "false")


def expect_lit(canvas: Locator) -> None:
    """Wait until a picture is in the canvas."""
    expect(canvas.locator("xpath=..").locator(".say")).to_be_hidden()
    canvas.page.wait_for_load_state("networkidle")
    assert greys(canvas)[1] > 0.05


def take_out_and_upload(newcomer: Newcomer, page: Page) -> None:
    """Fetch a study into a folder, delete it, and upload the folder."""
    newcomer.run(newcomer.read("sh"))
    folder = newcomer.folder / "my-images"
    assert len(list(folder.iterdir())) == 2
    page.goto("/?q=demo-cr")
    page.locator("tbody .name").click()
    page.get_by_role("button", name="Delete", exact=True).first.click()
    page.get_by_role("button", name="Delete 2 images").click()
    page.wait_for_url("/")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.goto("/upload")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a folder").click()
    chooser.value.set_files(folder)
    expect(page.locator("#sum")).to_contain_text("2 of 2 files")
    page.goto("/?q=demo-cr")
    expect(page.locator("tbody tr")).to_have_count(1)


def add_node(page: Page, ae_title: str, port: str) -> None:
    """Enter a node and ask it."""
    page.get_by_label("AE title").fill(ae_title)
    page.get_by_label("Host").fill("127.0.0.1")
    page.get_by_role("spinbutton", name="Port").fill(port)
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("button", name=f"Echo {ae_title}", exact=True).click()


def said(page: Page, ae_title: str) -> Locator:
    """Return what stands beside a node."""
    return page.locator("#rows tr", has_text=ae_title).locator(".said")


def send(newcomer: Newcomer, page: Page) -> None:
    """Start another archive, enter it as a node, and have the head sent there."""
    newcomer.start(newcomer.read("sh"), "8043")
    page.goto("/nodes")
    add_node(page, "SECOND", newcomer.port("11113"))
    expect(said(page, "SECOND")).to_contain_text("answers, ")
    page.goto("/?q=demo-mr")
    page.locator("tbody .name").click()
    page.get_by_role("button", name="Send", exact=True).first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("To").select_option("SECOND")
    dialog.get_by_role("button", name="Send", exact=True).click()
    expect(dialog.locator(".words")).to_have_text(newcomer.read("text"))


def find_out_why(newcomer: Newcomer, page: Page) -> None:
    """Make the two mistakes, from both sides."""
    page.goto("/nodes")
    add_node(page, "WRONGPORT", newcomer.port("11119"))
    expect(said(page, "WRONGPORT")).to_contain_text(newcomer.read("text"))
    add_node(page, "SECOMD", newcomer.port("11113"))
    expect(said(page, "SECOMD")).to_contain_text(newcomer.read("text"))
    printed = newcomer.run(newcomer.read("sh"))
    assert newcomer.read("text") in printed
