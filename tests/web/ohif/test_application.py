"""OHIF over HTTP: its files as browsers keep them, its page at its addresses, and nothing else."""

import base64
import gzip
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from archimage.web.ohif import installing
from archimage.web.ohif.installed import Viewer
from tests.services.archive import records
from tests.web.ohif.packages import BUNDLE, FILES, install
from tests.web.serving import Answer, Client, config, serving


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory."""
    return tmp_path_factory.mktemp("ohif") / "data"


@pytest.fixture(scope="module")
def viewer(data: Path) -> Viewer:
    """The viewer that is installed there."""
    return install(data / "viewer")


@pytest.fixture(scope="module")
def client(data: Path, viewer: Viewer) -> Iterator[Client]:
    """A server that has it."""
    with serving(config(data), records()) as found:
        yield found


def file(client: Client, viewer: Viewer, name: str, accept_encoding: str = "identity", method: str = "GET") -> Answer:
    """Ask for a file of the viewer."""
    return client.ask(f"/ohif/{viewer.edition}/{name}", method, Accept_Encoding=accept_encoding)


@pytest.mark.parametrize(
    "path", ["/ohif", "/ohif/", "/ohif/viewer?StudyInstanceUIDs=1.2", "/ohif/segmentation", "/ohif/a/b"]
)
def test_its_page_stands_at_every_address_without_an_extension(client: Client, viewer: Viewer, path: str) -> None:
    answer = client.ask(path)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.body == viewer.read("index.html")
    assert answer.headers["cache-control"] == "no-cache"


def test_its_page_runs_only_what_stands_in_it_and_asks_nobody_else(client: Client) -> None:
    answer = client.ask("/ohif/")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    scripts = re.findall(rb"<script>(.*?)</script>", answer.body)
    assert scripts
    for script in scripts:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" in policy["script-src"]
    assert "'unsafe-inline'" not in policy["script-src"]
    assert policy["default-src"] == "'self'"
    assert policy["connect-src"] == "'self' blob: data:"
    assert policy["frame-ancestors"] == "'self'"
    assert not re.search(r"https?:|\*", answer.headers["content-security-policy"])


def test_the_settings_name_this_server_alone(client: Client) -> None:
    answer = client.ask("/ohif/app-config.js")
    text = answer.body.decode()
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    for root in ("qidoRoot", "wadoRoot", "stowRoot"):
        assert f'{root}: "/dicom-web"' in text
    assert 'routerBasename: "/ohif"' in text
    assert not re.search(r"https?:|//[a-z]", text.partition("\n")[2])


@pytest.mark.parametrize("path", ["/ohif/", "/ohif/app-config.js"])
def test_what_may_change_is_sent_again_only_when_it_has(client: Client, path: str) -> None:
    tag = client.ask(path).headers["etag"]
    again = client.ask(path, If_None_Match=tag)
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    assert client.ask(path, If_None_Match='W/"another"').status == 200


def test_files_are_kept_for_good_and_sent_as_they_were_compressed(client: Client, viewer: Viewer) -> None:
    small, plain = file(client, viewer, BUNDLE, "gzip, deflate, br"), file(client, viewer, BUNDLE)
    assert small.headers["content-encoding"] == "gzip"
    assert len(small.body) < len(plain.body) / 10
    assert gzip.decompress(small.body) == plain.body == viewer.read(BUNDLE)
    for answer in (small, plain):
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert int(answer.headers["content-length"]) == len(answer.body)


@pytest.mark.parametrize("accepted", ["identity", "br", "gzip;q=0", ""])
def test_who_does_not_take_gzip_gets_files_as_they_are(client: Client, viewer: Viewer, accepted: str) -> None:
    answer = file(client, viewer, BUNDLE, accepted)
    assert "content-encoding" not in answer.headers
    assert answer.body == viewer.read(BUNDLE)


def test_pictures_and_programs_have_their_types(client: Client, viewer: Viewer) -> None:
    for name, kind in (
        ("assets/icon.png", "image/png"),
        ("decoder.wasm", "application/wasm"),
        ("a34f.woff2", "font/woff2"),
    ):
        answer = file(client, viewer, name, "gzip")
        assert answer.headers["content-type"] == kind
    assert file(client, viewer, "assets/icon.png", "gzip").body == FILES["assets/icon.png"]


def test_workers_may_evaluate_what_glues_their_decoders_and_ask_nobody_else(client: Client, viewer: Viewer) -> None:
    policy = file(client, viewer, BUNDLE).headers["content-security-policy"]
    assert "'unsafe-eval'" in policy
    assert "connect-src 'self' blob: data:;" in policy


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
def test_a_head_has_the_same_head(client: Client, viewer: Viewer, accepted: str) -> None:
    got, head = (file(client, viewer, BUNDLE, accepted, method) for method in ("GET", "HEAD"))
    assert head.body == b""
    assert {**head.headers, "date": ""} == {**got.headers, "date": ""}
    assert client.ask("/ohif/", "HEAD").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/ohif/missing.js",
        "/ohif/0000000000000000/app.bundle.css",
        "/ohif/{edition}/missing.js",
        "/ohif/{edition}/app-config.js",
        "/ohif/..%2f..%2findex.db",
        "/ohif/%2e%2e/index.db",
        "/ohif/{edition}/..%2f..%2f..%2findex.db",
        "/ohif/{edition}/%00",
        "/ohif/{edition}/app.bundle.css%00.js",
        "/ohif/%00",
        "/ohif/{edition}//etc/passwd.",
        "/ohif/viewer/../../index.db",
        "/ohif/" + "a" * 3_000 + ".js",
    ],
)
def test_no_other_address_leads_to_a_file(client: Client, viewer: Viewer, path: str) -> None:
    answer = client.ask(path.replace("{edition}", viewer.edition))
    assert answer.status == 404
    assert answer.json["next"] == "Load the page again."


def test_it_can_only_be_read_and_only_under_the_servers_names(client: Client, viewer: Viewer) -> None:
    for method in ("POST", "PUT", "DELETE"):
        answer = client.ask("/ohif/", method, b"")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    for path in ("/ohif/", f"/ohif/{viewer.edition}/{BUNDLE}"):
        assert client.ask(path, Host="rebound.example").status == 400


def test_pages_open_studies_in_it_with_the_built_in_viewer_beside(client: Client) -> None:
    for path in ("/", "/studies/1.2"):
        text = client.ask(path).body.decode()
        assert 'href="/ohif/viewer?StudyInstanceUIDs=1.2"' in text
        assert 'href="/viewer?study=1.2"' in text


def test_without_it_pages_open_the_built_in_viewer_and_its_address_says_how_to_get_it(tmp_path: Path) -> None:
    with serving(config(tmp_path / "data"), records()) as client:
        for path in ("/ohif", "/ohif/", "/ohif/viewer?StudyInstanceUIDs=1.2", "/ohif/0000000000000000/app.bundle.css"):
            answer = client.ask(path)
            assert (answer.status, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
            assert "archimage viewer install" in answer.body.decode()
        text = client.ask("/studies/1.2").body.decode()
        assert 'href="/viewer?study=1.2"' in text
        assert "/ohif/" not in text


def test_what_is_installed_replaced_or_removed_meanwhile_is_noticed_at_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(config(data)) as client:
        assert client.ask("/ohif/").status == 404
        first = install(data / "viewer")
        assert client.ask("/ohif/").body == first.read("index.html")
        second = install(data / "viewer", {**FILES, "decoder.wasm": b"new"}, "2.0.0")
        assert file(client, second, "decoder.wasm").body == b"new"
        assert file(client, first, "decoder.wasm").status == 404
        installing.remove(data / "viewer")
        assert client.ask("/ohif/").status == 404
