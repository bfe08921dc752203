"""Print jobs over the management API: listed, looked at, printed again, cancelled and forgotten."""

import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from PIL import Image

from archimage.app import build
from archimage.config import Config
from archimage.config_print import PrintConfig
from tests.printing.films import pdf_pictures
from tests.printing.jobs import over, submitted
from tests.web.serving import Client, config, serving

_JOBS: Final = "/api/v1/print/jobs"
_UNKNOWN: Final = f"{_JOBS}/2.25.99"


def _settings(directory: Path) -> Config:
    return config(directory / "data").model_copy(update={"print": PrintConfig(dpi=50)})


def _submitted(settings: Config, label: str, *, made: bool) -> str:
    """Print a film, and make it or leave it for later; return the address of its job."""
    with closing(build(settings)) as app:
        if made:
            app.begin()
        job = submitted(app, label)
        if made:
            over(app, job)
        return f"{_JOBS}/{job.uid}"


@pytest.fixture
def done(tmp_path: Path) -> str:
    """A job that is printed."""
    return _submitted(_settings(tmp_path), "Demo", made=True)


@pytest.fixture
def waiting(tmp_path: Path, done: str) -> str:
    """A later job, which waits."""
    assert done
    return _submitted(_settings(tmp_path), "Later", made=False)


@pytest.fixture
def client(tmp_path: Path, done: str, waiting: str) -> Iterator[Client]:
    """A server that has these, and prints nothing by itself."""
    assert done != waiting
    with serving(_settings(tmp_path)) as found:
        yield found


def test_jobs_are_listed_and_narrowed(client: Client, done: str, waiting: str) -> None:
    listed = client.ask(_JOBS).json
    assert [f"{_JOBS}/{job['uid']}" for job in listed] == [waiting, done]
    for query, labels in {
        "state=done": ["Demo"],
        "state=pending": ["Later"],
        "state=failed": [],
        "limit=1": ["Later"],
        f"before={listed[0]['created_at']}": ["Demo"],
    }.items():
        assert [job["label"] for job in client.ask(f"{_JOBS}?{query}").json] == labels, query
    for query in ("state=odd", "limit=0", "limit=1001", "before=-1", "before=soon"):
        assert client.ask(f"{_JOBS}?{query}").status == 400, query


def test_a_job_is_told(client: Client, done: str, waiting: str) -> None:
    told = client.ask(done).json
    expected = {"label": "Demo", "printer": "PACS_SCP", "originator": "MODALITY", "priority": "MED", "copies": 1}
    assert told == {**told, **expected, "films": 1, "dpi": 50, "state": "done", "error": ""}
    assert told["ended_at"] >= told["created_at"]
    later = client.ask(waiting).json
    assert (later["state"], later["ended_at"]) == ("pending", None)


def test_films_are_pictures_and_documents_of_the_same_pixels(client: Client, done: str) -> None:
    whole, film, picture = (client.ask(f"{done}/{part}") for part in ("pdf", "films/1/pdf", "films/1/png"))
    types = [answer.headers["content-type"] for answer in (whole, film, picture)]
    assert types == ["application/pdf", "application/pdf", "image/png"]
    (first,), (second,) = pdf_pictures(whole.body), pdf_pictures(film.body)
    assert np.array_equal(first, second)
    assert (first.shape, 0x80 in first) == ((500, 400), True)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(picture.body))), first)


def test_what_is_not_made_yet_has_no_film(client: Client, waiting: str) -> None:
    for part in ("pdf", "films/1/pdf", "films/1/png"):
        assert client.ask(f"{waiting}/{part}").status == 404, part


def test_a_job_is_printed_again_cancelled_and_forgotten(client: Client, done: str) -> None:
    again = client.ask(f"{done}/reprint", "POST")
    assert (again.status, again.json["state"], again.json["ended_at"]) == (200, "pending", None)
    twice = client.ask(f"{done}/reprint", "POST")
    assert (twice.status, "pending" in twice.json["error"]) == (409, True)
    cancelled = client.ask(f"{done}/cancel", "POST")
    assert (cancelled.status, cancelled.json["state"]) == (200, "cancelled")
    assert client.ask(f"{done}/cancel", "POST").status == 409
    assert client.ask(done, "DELETE").status == 204
    assert [client.ask(done, method).status for method in ("GET", "DELETE")] == [404, 404]
    assert [job["label"] for job in client.ask(_JOBS).json] == ["Later"]


def test_what_was_printed_again_is_made_by_who_prints(client: Client, tmp_path: Path, done: str, waiting: str) -> None:
    assert client.ask(f"{done}/reprint", "POST").status == 200
    assert client.ask(f"{waiting}/cancel", "POST").status == 200
    with closing(build(_settings(tmp_path))) as app:
        app.begin()
        over(app, app.department.printing.service.get(done.rsplit("/", 1)[1]))
    assert [client.ask(place).json["state"] for place in (done, waiting)] == ["done", "cancelled"]
    assert client.ask(f"{waiting}/pdf").status == 404


def test_what_is_not_there_is_not_found(client: Client, done: str) -> None:
    for part, method in {
        "": "GET",
        "/pdf": "GET",
        "/films/1/pdf": "GET",
        "/films/1/png": "GET",
        "/reprint": "POST",
        "/cancel": "POST",
    }.items():
        assert client.ask(_UNKNOWN + part, method).status == 404, part
    assert client.ask(_UNKNOWN, "DELETE").status == 404
    assert [client.ask(f"{done}/films/2/{kind}").status for kind in ("pdf", "png")] == [404, 404]
    assert [client.ask(f"{done}/films/{number}/png").status for number in ("0", "101", "x")] == [400] * 3
    assert client.ask(f"{_JOBS}/1.2.x").status == 400
