"""Pages over HTTP: what they show, what they refuse, and that what peers sent stays text."""

import gzip
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from archimage.services import query as queries
from archimage.web.pages.application import SEGMENTS
from scripts.screenshots.__main__ import SHOWN
from tests.services.archive import records
from tests.web.serving import Answer, Client, config, serving

DOCS = Path(__file__).parents[3] / "docs"
_HOSTILE = "<script>alert(1)</script>^\"'><img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server of two patients of two studies of three instances."""
    with serving(config(tmp_path_factory.mktemp("pages")), records()) as found:
        yield found


PAGES = (
    "/",
    "/?part=list",
    "/?part=totals",
    "/studies/1.2",
    "/studies/9.9",
    "/viewer?study=1.2",
    "/upload",
    "/nodes",
    "/query",
    "/activity",
    "/changes",
    "/retention",
    "/commitments",
    "/objects",
    "/system",
    "/concurrency",
    "/plugins",
    "/access",
    "/users",
    "/me",
    "/login",
    "/department",
    "/messages",
    "/worklist",
    "/workitems",
    "/performed-steps",
    "/deliveries",
    "/jobs",
    "/routing",
    "/print",
    "/docs",
)


def test_every_page_is_among_those_that_are_attacked() -> None:
    assert {path[1:].partition("?")[0].partition("/")[0] for path in PAGES} | {"static"} == set(SEGMENTS)


@pytest.mark.parametrize("segment", sorted({*SEGMENTS} - {"static"}))
def test_every_page_is_documented_and_has_a_picture_that_is_made_by_a_script(segment: str) -> None:
    name, _ = SHOWN[segment]
    assert (DOCS / "images" / f"{name}.png").stat().st_size > 5_000
    text = (DOCS / "pages.md").read_text("utf-8")
    assert re.search(rf"^\| `/{segment}[`/?]", text, re.MULTILINE)
    assert f"(images/{name}.png)" in text


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_given_to_another_origin_or_under_another_name(client: Client, path: str) -> None:
    foreign = client.ask(path, Origin="https://evil.example")
    assert not [name for name in foreign.headers if name.startswith("access-control-allow")]
    assert client.ask(path, Host="evil.example").status == 400


@pytest.mark.parametrize("path", PAGES)
def test_no_page_leads_to_where_an_address_says(client: Client, path: str) -> None:
    more = "&" if "?" in path else "?"
    wanted = f"{path}{more}url=https://evil.example&next=//evil.example&redirect=https://evil.example"
    answer = client.ask(wanted, Accept="text/html")
    assert answer.status in {200, 404}
    assert "location" not in answer.headers
    assert b"evil.example" not in answer.body


def page(client: Client, path: str, status: int = 200) -> str:
    """Return the text of a page."""
    answer = client.ask(path, Accept="text/html")
    assert (answer.status, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    return answer.body.decode()


def studies(text: str) -> list[str]:
    """Return the studies of a list, in its order."""
    return re.findall(r'<tr data-study="([^"]+)">', text)


def asset(client: Client, name: str, accept_encoding: str = "identity") -> Answer:
    """Return a file that the list's page names."""
    found = re.search(rf'"(/static/[0-9a-f]+/{name})"', page(client, "/"))
    assert found
    return client.ask(found[1], Accept_Encoding=accept_encoding)


def test_the_first_page_lists_the_newest_studies_first(client: Client) -> None:
    text = page(client, "/")
    assert studies(text) == ["1.3", "1.2", "1.1", "1.0"]
    assert "Yamada, Tarou (山田, 太郎)" in text
    assert "2024-01-03" in text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q=yama", ["1.3", "1.2"]),
        ("sort=study_date", ["1.0", "1.1", "1.2", "1.3"]),
        ("from=2024-01-02&to=2024-01-03", ["1.2", "1.1"]),
        ("from=2024-01-04", ["1.3"]),
        ("modality=MR", []),
        ("page=2", []),
    ],
)
def test_the_address_says_what_is_listed(client: Client, query: str, expected: list[str]) -> None:
    assert studies(page(client, f"/?{query}")) == expected
    part = page(client, f"/?{query}&part=list")
    assert studies(part) == expected
    assert "<html" not in part


def test_many_that_somebody_looks_for_are_listed_before_they_are_counted(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "FEW", 1)
    part = page(client, "/?part=list&q=P1")
    assert studies(part) == ["1.3", "1.2"]
    assert "data-uncounted" in part
    assert "more than" in part
    assert "<strong>2</strong> studies" in page(client, "/?part=totals&q=P1")
    assert "<strong>2</strong> studies" in page(client, "/?q=P1")


def test_columns_are_links_that_turn_the_order_around(client: Client) -> None:
    assert 'aria-sort="descending"><a href="/?sort=study_date"' in page(client, "/")
    assert 'aria-sort="ascending"><a href="/"' in page(client, "/?sort=study_date")


@pytest.mark.parametrize(
    "query", ["page=0", "page=x", "page=%C2%B2", "sort=nothing", "from=yesterday", "q=" + "x" * 300]
)
def test_an_address_that_cannot_be_is_refused_in_words(client: Client, query: str) -> None:
    assert '<p class="status">400</p>' in page(client, f"/?{query}", 400)


def test_a_study_has_a_page_and_a_viewer(client: Client) -> None:
    assert 'href="/viewer?study=1.2"' in page(client, "/studies/1.2")
    assert 'data-patient="Yamada, Tarou (山田, 太郎)"' in page(client, "/viewer?study=1.2")


@pytest.mark.parametrize(
    ("path", "title"), [("/upload", "Upload"), ("/nodes", "Nodes"), ("/activity", "Activity"), ("/system", "System")]
)
def test_every_page_leads_to_the_others_and_tells_which_it_is(client: Client, path: str, title: str) -> None:
    text = page(client, path)
    assert re.search(rf'<a href="{path}" aria-current="page">.*{title}', text)
    assert text.count("aria-current") == 1


@pytest.mark.parametrize(
    "path", ["/studies/9.9", "/studies/..%2f", "/viewer", "/viewer?study=x", "/studies/1.2/x", "/static/x"]
)
def test_what_is_not_there_is_told_by_a_page(client: Client, path: str) -> None:
    assert '<p class="status">404</p>' in page(client, path, 404)


def test_nothing_changes_by_a_page(client: Client) -> None:
    assert client.ask("/", "POST", b"").status == 405
    assert client.ask("/studies/1.2", "DELETE").status == 405


def test_no_page_may_run_what_does_not_come_from_here_or_stand_in_a_foreign_one(client: Client) -> None:
    for path in PAGES:
        answer = client.ask(path, Accept="text/html")
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'self';")
        assert "frame-ancestors 'self'" in policy
        assert "unsafe" not in policy
        text = answer.body.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|https?://", text)


def test_files_are_kept_by_browsers_and_sent_compressed(client: Client) -> None:
    plain, small = asset(client, "style.css"), asset(client, "style.css", "gzip")
    assert small.headers["content-encoding"] == "gzip"
    assert gzip.decompress(small.body) == plain.body
    assert "immutable" in plain.headers["cache-control"]
    assert plain.headers["content-type"] == "text/css; charset=utf-8"


def test_files_of_another_version_and_outside_are_not_given(client: Client) -> None:
    for path in ("/static/0000000000000000/style.css", "/static/0/..%2fapplication.py", "/static/0/base.html"):
        assert client.ask(path).status == 404


def test_markup_in_names_and_descriptions_stays_text(tmp_path_factory: pytest.TempPathFactory) -> None:
    texts = {"patient_name": _HOSTILE, "study_description": _HOSTILE}
    hostile = [replace(record, values={**record.values, **texts}) for record in records()]
    with serving(config(tmp_path_factory.mktemp("hostile")), hostile) as client:
        for path in ("/", "/?part=list", "/studies/1.2", "/viewer?study=1.2", "/?label=", f"/?q={quote(_HOSTILE)}"):
            text = page(client, path)
            assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
            assert "<script>" not in text
            assert "<img src=x" not in text
