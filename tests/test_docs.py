"""The examples of the pages of docs that have some, and of the README, are run in order and give what they show."""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pydicom
import pytest

from archimage.model.changes import CORRECTABLE
from archimage.web.dicomweb.table import RESOURCES
from archimage.web.fhir import application as fhir
from archimage.web.orthanc.application import ENDPOINTS
from tests.interop.peers import free_port, listener, tool

ROOT: Final = Path(__file__).parents[1]
DICOMWEB: Final = ROOT / "docs" / "dicomweb.md"
ORTHANC: Final = ROOT / "docs" / "orthanc.md"
FHIR: Final = ROOT / "docs" / "fhir.md"
CHANGES: Final = ROOT / "docs" / "changes.md"
UPS: Final = ROOT / "docs" / "ups.md"
WORKLIST: Final = ROOT / "docs" / "worklist.md"
HL7: Final = ROOT / "docs" / "hl7.md"
COMMITMENT: Final = ROOT / "docs" / "commitment.md"
OBJECTS: Final = ROOT / "docs" / "objects-without-patient.md"
RELEVANT: Final = ROOT / "docs" / "relevant-patient.md"
PRINTING: Final = ROOT / "docs" / "printing.md"
ADDRESS: Final = "127.0.0.1:8042"
DICOM_PORT: Final = "11112"
_PROGRAM: Final = (sys.executable, "-m", "archimage")
_IMAGES: Final = Path(pydicom.__file__).parent / "data" / "test_files" / "dicomdirtests"
_BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """Lines to copy, and what they are said to print; `...` stands for anything."""

    line: int
    language: str
    code: str
    shown: str = ""

    def gives(self, printed: str) -> bool:
        """Tell whether this is what is shown."""
        pattern = re.escape(self.shown.strip()).replace(re.escape("..."), ".*?")
        return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def examples(page: Path) -> list[Example]:
    """Read a page; a block of code without one of text after it prints nothing."""
    text = page.read_text("utf-8")
    found: list[Example] = []
    for block in _BLOCK.finditer(text):
        language, content = block.groups()
        if language == "text":
            found[-1] = replace(found[-1], shown=content)
        elif language in {"sh", "python"}:
            found.append(Example(text[: block.start()].count("\n") + 1, language, content))
    return found


def readme() -> Example:
    """Read the section of the README: what stands after a dollar sign, and what it prints."""
    text = (ROOT / "README.md").read_text("utf-8")
    lines = re.findall("^    (.+)$", text.partition("\n## DICOMweb\n")[2].partition("\n## ")[0], re.MULTILINE)
    code = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    shown = [line for line in lines if not line.startswith("$ ")]
    return Example(text[: text.index("\n## DICOMweb")].count("\n") + 2, "sh", "\n".join(code), "\n".join(shown))


def commands(section: str) -> list[str]:
    """Return what a reader of a section of the README types into a shell, lines that go on in the next put together."""
    text = (ROOT / "README.md").read_text("utf-8").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return re.findall(r"^    \$ (.+)$", text.replace("\\\n", " "), re.MULTILINE)


class Reader:
    """Someone who copies every example into a shell and into Python, both open all the time."""

    def __init__(self, address: str, directory: Path, dicom_port: int = 0) -> None:
        self._address = address
        self._dicom_port = str(dicom_port)
        self._directory = directory
        self._shell = ""
        self._names: dict[str, Any] = {"__name__": "__main__"}

    def run(self, example: Example) -> str:
        """Run an example; return what it prints, addresses as on the page."""
        code = example.code.replace(ADDRESS, self._address).replace(DICOM_PORT, self._dicom_port)
        printed = self._sh(code) if example.language == "sh" else self._python(code)
        return (
            printed.replace(self._address, ADDRESS).replace(f":{self._dicom_port}", f":{DICOM_PORT}").replace("\r", "")
        )

    def _sh(self, code: str) -> str:
        result = subprocess.run(
            ["bash", "-euc", f"{self._shell}\n{code}"],
            cwd=self._directory,
            env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
            encoding="utf-8",
        )
        self._shell = self._shell or code  # the first block names what the others use
        return result.stdout

    def _python(self, code: str) -> str:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.chdir(self._directory):
            exec(compile(code, "example", "exec"), self._names)  # noqa: S102 - a page of our own
        return printed.getvalue()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of an archive that holds what `make serve` puts into an empty one."""
    data = tmp_path_factory.mktemp("demo") / "data"
    subprocess.run([*_PROGRAM, "demo", "--if-empty", "--data", data], check=True, capture_output=True, timeout=90)
    return data


@pytest.fixture
def reader(demo: Path, tmp_path: Path) -> Iterator[Reader]:
    """A reader beside an archive that `make serve` would have started."""
    if shutil.which("curl") is None and not os.environ.get("CI"):
        pytest.skip("curl is missing: apt-get install curl")
    data, port, dicom_port = tmp_path / "data", free_port(), free_port()
    shutil.copytree(demo, data)
    ports = ("--dicom-port", dicom_port, "--http-port", port)
    arguments: list[str | Path | int] = [*_PROGRAM, "serve", "--data", data, *ports]
    work = tmp_path / "work"
    work.mkdir()
    with listener(arguments, port, tmp_path / "serve.log"):
        yield Reader(f"127.0.0.1:{port}", work, dicom_port)


@pytest.mark.parametrize(
    "page",
    [DICOMWEB, ORTHANC, CHANGES, WORKLIST, COMMITMENT, OBJECTS, RELEVANT, UPS, PRINTING, FHIR],
    ids=lambda page: page.name,
)
def test_every_example_gives_what_the_page_shows(reader: Reader, page: Path) -> None:
    for example in examples(page):
        printed = reader.run(example)
        assert example.gives(printed), f"{page.name}, line {example.line}:\n{example.code}\nprinted\n{printed}"


def test_every_example_of_messages_gives_what_the_page_shows(demo: Path, tmp_path: Path) -> None:
    data, port, messages = tmp_path / "data", free_port(), free_port()
    shutil.copytree(demo, data)
    arguments: list[str | Path | int] = [*_PROGRAM, "serve", "--data", data, "--dicom-port", 0, "--http-port", port]
    settings = tmp_path / "settings.toml"
    settings.write_text(f"[hl7]\nenabled = true\nport = {messages}\n")
    with listener([*arguments, "--config", settings], port, tmp_path / "serve.log"):
        beside = Reader(f"127.0.0.1:{port}", tmp_path)
        for example in examples(HL7):
            printed = beside.run(replace(example, code=example.code.replace("127.0.0.1:2575", f"127.0.0.1:{messages}")))
            printed = printed.replace(f"127.0.0.1:{messages}", "127.0.0.1:2575")
            assert example.gives(printed), f"line {example.line}:\n{example.code}\nprinted\n{printed}"


def test_the_readme_shows_what_is_true(reader: Reader) -> None:
    assert reader.run(readme()).split() == readme().shown.split()


def test_who_types_the_readme_is_refused_nothing(demo: Path, tmp_path: Path) -> None:
    """One after the other: images by DCMTK, DICOMweb, and its own tools; `more` images are the reader's own."""
    data, port, dicom_port, node_port = tmp_path / "data", free_port(), free_port(), free_port()
    shutil.copytree(demo, data)
    for folder in ("77654033", "98892001", "98892003"):
        shutil.copytree(_IMAGES / folder, tmp_path / "images" / folder)
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    typed = [line for section in ("DICOM", "DICOMweb", "Its own tools") for line in commands(section)]
    code = "\n".join(line for line in typed if "make serve" not in line and " more " not in line)
    for text, ours in ((ADDRESS, f"127.0.0.1:{port}"), (DICOM_PORT, f"{dicom_port}"), ("11113", f"{node_port}")):
        code = code.replace(text, ours)
    ports = ("--dicom-port", dicom_port, "--http-port", port, "--node", f"WORKSTATION=127.0.0.1:{node_port}")
    path = f"{Path(tool('storescu')).parent}:{os.environ['PATH']}"
    with listener([*_PROGRAM, "serve", "--data", data, *ports], port, tmp_path / "serve.log"):
        result = subprocess.run(
            ["bash", "-uc", f"trap 'kill $(jobs -p) 2> /dev/null' EXIT\n{code}"],
            cwd=tmp_path,
            env={"PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
            check=False,
        )
    printed = result.stdout.decode("utf-8", "replace")
    assert result.returncode == 0, printed
    assert re.findall(r"^(stored|completed|duplicate) +([1-9]\d*)$", printed, re.MULTILINE) == [
        ("stored", "74"),
        ("completed", "4"),
        ("completed", "4"),
        ("duplicate", "74"),
    ], printed
    assert (
        re.findall(r"^(?:refused|failed|missing|damaged|orphans) +[1-9]\d*$|^.*not found.*$", printed, re.MULTILINE)
        == []
    )


def test_every_resource_has_an_example() -> None:
    text = "\n".join(example.code for page in (DICOMWEB, UPS) for example in examples(page))
    variables = {"study": "$STUDY", "series": "$SERIES", "instance": "$IMAGE", "frames": "1", "path:path": "7FE00010"}
    variables |= {"workitem": "$STEP", "aetitle": "DESK", "requester": "DESK"}
    missing = []
    for resource in RESOURCES:
        path = re.sub(r"\{([\w:]+)\}", lambda found: variables[found[1]], resource.path).rstrip("/")
        named = f"$W{path}" if resource.root == RESOURCES[0].root else resource.root + path
        method = "" if resource.method == "GET" else rf"-X {resource.method} "
        if not re.search(rf"{method}(-\S+ )*\"?{re.escape(named)}[\"?\s]", text):
            missing.append(f"{resource.method} {named}")
    assert missing == []


def test_the_paths_of_orthanc_that_are_served_are_documented_and_no_other() -> None:
    rows = re.findall(r"^\| `(GET|POST|PUT|DELETE) (/\S+)` \|", ORTHANC.read_text("utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted((one.method, one.path.replace(":path", "")) for one in ENDPOINTS)


def test_the_search_parameters_of_fhir_are_documented_and_no_other() -> None:
    text = FHIR.read_text("utf-8").partition("| search | parameters |")[2].partition("\n\n")[0]
    rows = {kind: set(re.findall(r"`([a-z_.-]+)`", told)) for kind, told in re.findall(r"\| (\w+) \| (.*) \|", text)}
    searches = {one.path[1:]: {*one.parameters} for one in fhir.ENDPOINTS if one.parameters}
    assert rows == {
        kind: {name for name in names if name[0] != "_" or name == "_id"} - {"name:contains"}
        for kind, names in searches.items()
    }


def test_every_attribute_that_can_be_corrected_is_documented() -> None:
    text = CHANGES.read_text("utf-8")
    page = (ROOT / "src/archimage/web/pages/static/changing.js").read_text("utf-8")
    assert [keyword for keyword in CORRECTABLE if f"`{keyword}`" not in text and f'["{keyword}"' not in page] == []
