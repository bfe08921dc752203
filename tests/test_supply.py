"""The bill of materials lists what is needed at run time; an audit says what it found, or that it could not look."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from archimage import __version__
from scripts import audit
from scripts.sbom import bill

ROOT: Final = Path(__file__).parents[1]
LOCK: Final = ROOT / "requirements" / "runtime.lock"
_OTHER_PLATFORMS: Final = {"colorama", "tzdata"}
_LESSER: Final = {
    "psycopg",
    "psycopg-binary",
}  # LGPL 3: used as a library, as it is published


@pytest.fixture(scope="module")
def materials() -> dict[str, Any]:
    """The bill of materials."""
    return bill()


def pinned() -> set[tuple[str, str]]:
    """Return names and versions of what the lock pins; one that differs by platform has several."""
    return set(re.findall(r"^([a-z0-9][\w.-]*)==([^\s;]+)", LOCK.read_text("utf-8"), re.MULTILINE))


def names() -> set[str]:
    """Return the names alone."""
    return {name for name, _ in pinned()}


def test_the_bill_lists_everything_that_is_pinned_and_nothing_else(materials: Mapping[str, Any]) -> None:
    listed = {(one["name"], one["version"]) for one in materials["components"]}
    assert listed == pinned()
    assert len(listed) > 20
    assert {one["purl"] for one in materials["components"]} == {
        f"pkg:pypi/{name}@{version}" for name, version in pinned()
    }
    assert materials["metadata"]["component"]["version"] == __version__


def test_the_bill_is_valid_cyclonedx(materials: Mapping[str, Any]) -> None:
    version = SchemaVersion.from_version(materials["specVersion"])
    assert JsonStrictValidator(version).validate_str(json.dumps(materials)) is None


def test_every_licence_is_told_and_none_is_gpl(materials: Mapping[str, Any]) -> None:
    told = {one["name"]: json.dumps(one.get("licenses", [])) for one in materials["components"]}
    assert {name for name, text in told.items() if text == "[]"} <= _OTHER_PLATFORMS
    copyleft = {name for name, text in told.items() if re.search(r"\b[AL]?GPL|General Public", text)}
    assert copyleft <= _LESSER
    assert [name for name in copyleft if not re.search(r"\bLGPL|Lesser General Public", told[name])] == []


def test_the_bill_is_written_where_it_is_wanted(tmp_path: Path) -> None:
    target = tmp_path / "dist" / "sbom.json"
    run = [sys.executable, "-m", "scripts.sbom", str(target)]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert f"{len(pinned())} components" in done.stdout
    assert json.loads(target.read_text("utf-8"))["bomFormat"] == "CycloneDX"


class Osv:
    """A service that speaks the OSV API: of jinja2 2.4.1 it knows something, and of what it is told to."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = known
        self.asked: list[str] = []
        self.breaks_after = 1_000

    def answer(self, question: Mapping[str, Any]) -> tuple[int, bytes]:
        """Answer a query."""
        name, version = question["package"]["name"], question["version"]
        self.asked.append(name)
        if len(self.asked) > self.breaks_after:
            return 500, b"{}"
        identifier = "GHSA-0000" if (name, version) == ("jinja2", "2.4.1") else self.known.get(name)
        found = {} if identifier is None else {"vulns": [_vulnerability(name, identifier)]}
        return 200, json.dumps(found).encode()


class Portal(Osv):
    """What answers anything with 200 and nothing, as a proxy may."""

    def answer(self, question: Mapping[str, Any]) -> tuple[int, bytes]:
        """Answer a query."""
        return (200, b"{}") if question else (400, b"")


def _vulnerability(name: str, identifier: str) -> dict[str, Any]:
    events = [{"introduced": "0"}, {"fixed": "999"}]
    affected = {"package": {"name": name, "ecosystem": "PyPI"}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
    told = {"id": identifier, "summary": "Invented", "details": "Invented", "affected": [affected]}
    return {**told, "published": "2024-01-01T00:00:00Z", "modified": "2024-01-01T00:00:00Z"}


@contextmanager
def serving(osv: Osv) -> Iterator[str]:
    """Serve it on a free port; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = osv.answer(json.loads(body))
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query"
        finally:
            server.shutdown()
            thread.join()


def test_every_package_is_looked_up(capsys: pytest.CaptureFixture[str]) -> None:
    osv = Osv({})
    with serving(osv) as address:
        assert audit.audit(address) == audit.CLEAN
    assert names() - set(osv.asked) <= _OTHER_PLATFORMS
    assert f"CHECKED: {len(osv.asked) - 1} packages" in capsys.readouterr().out


def test_what_is_known_of_one_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Osv({"pillow": "GHSA-1111"})) as address:
        assert audit.audit(address) == audit.FOUND
    assert re.search("FOUND: pillow [0-9.]+: GHSA-1111, fixed in 999", capsys.readouterr().err)


def test_a_service_that_is_not_there_has_checked_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Osv({})) as address:
        pass
    assert audit.audit(address) == audit.NOT_CHECKED
    assert capsys.readouterr().err.startswith("NOT CHECKED: ")


def test_a_proxy_that_answers_in_its_place_has_checked_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Portal({})) as address:
        assert audit.audit(address) == audit.NOT_CHECKED
    assert "it is not the service" in capsys.readouterr().err


def test_a_service_that_breaks_off_is_a_failure_and_not_a_pass(capsys: pytest.CaptureFixture[str]) -> None:
    osv = Osv({})
    osv.breaks_after = 5
    with serving(osv) as address:
        assert audit.audit(address) == audit.FOUND
    assert "broke off" in capsys.readouterr().err


def _made(address: str) -> int:
    """Run what CI runs, with another address of the service; return its exit code."""
    recipe = (ROOT / "Makefile").read_text("utf-8").partition("\naudit:")[2].splitlines()[1].strip()
    assert "$(BIN)/python -m scripts.audit" in recipe
    command = recipe.replace("$(BIN)/python -m scripts.audit", f"{sys.executable} -m scripts.audit {address}")
    run = ["bash", "-c", command.replace("$$", "$")]
    return subprocess.run(run, cwd=ROOT, capture_output=True, timeout=120, check=False).returncode


def test_ci_goes_on_without_the_service_and_fails_with_a_finding() -> None:
    assert "make audit" in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    with serving(Osv({"pillow": "GHSA-1111"})) as address:
        assert _made(address) != 0
    assert _made(address) == 0
