"""Print jobs: made, kept over restarts and kill -9, stored, put on paper, cancelled and forgotten."""

import os
import signal
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from archimage.app import App, build
from archimage.config_print import PrintConfig
from archimage.errors import ConflictError, NotFoundError, OutOfResourcesError
from archimage.model.jobs import Priority
from archimage.model.printing import JobState, PrintJob
from archimage.net.conversation import RemoteNode
from archimage.services.printing import PrintService
from tests.attacks.server import launch, stop, wait_until
from tests.printing.films import FILM_UID, Films, image, modality, pdf_pictures
from tests.printing.jobs import over, service, submitted
from tests.processes import config

_LP = """#!/bin/sh
printf '%s\\n' "$@" > "{told}/arguments"
cat > "{told}/film.pdf"
exit {code}
"""


@contextmanager
def _archive(directory: Path, *, begun: bool = True, **settings: object) -> Iterator[App]:
    chosen = config(directory).model_copy(update={"print": PrintConfig.model_validate({"dpi": 50, **settings})})
    with closing(build(chosen)) as app:
        if begun:
            app.begin()
        yield app


def test_a_job_that_was_not_made_is_made_by_the_next_start(tmp_path: Path) -> None:
    with _archive(tmp_path, begun=False) as app:
        told: list[PrintJob] = []
        service(app).told = told.append
        job = submitted(app)
        assert [service(app).get(job.uid)] == told == [job]
        with pytest.raises(NotFoundError):
            service(app).picture(job.uid, 1)
    with _archive(tmp_path) as app:
        assert over(app, job).state is JobState.DONE
        assert service(app).picture(job.uid, 1).startswith(b"\x89PNG")
        assert sorted(path.name for path in (tmp_path / "print" / job.uid).iterdir()) == ["1.json", "1.png"]


def test_jobs_are_as_urgent_as_the_modality_says(tmp_path: Path) -> None:
    with _archive(tmp_path, begun=False) as app:
        jobs = {submitted(app, priority=priority).uid: priority for priority in ("LOW", "MED", "HIGH")}
        found = {jobs[one.about]: one.priority for one in app.department.deliveries.find(kind="print")}
    assert found == {"LOW": Priority.LOW, "MED": Priority.NORMAL, "HIGH": Priority.HIGH}


def test_a_film_is_stored_as_an_object_once(tmp_path: Path) -> None:
    with _archive(tmp_path, output="store") as app:
        job = submitted(app)
        assert over(app, job).state is JobState.DONE
        service(app).reprint(job.uid)
        assert over(app, job).state is JobState.DONE
        study = app.services.catalogue.study(job.uid)
        assert (study.instances, study.study_description) == (1, "Printed film")


def test_a_film_goes_to_the_queue_of_its_printer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install_lp(tmp_path, monkeypatch, 0)
    with _archive(tmp_path / "data", output="cups", queues={"PACS_SCP": "films"}) as app:
        job = submitted(app, "; rm -rf $(x) | lp")
        assert over(app, job).state is JobState.DONE
        arguments = (tmp_path / "arguments").read_text("utf-8").split("\n")
        assert arguments == ["-d", "films", "-n", "1", "-o", "fit-to-page", "-", ""]
        assert len(pdf_pictures((tmp_path / "film.pdf").read_bytes())) == 1


def test_without_cups_the_job_fails_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with _archive(tmp_path / "data", output="cups") as app:
        ended = over(app, submitted(app))
        assert (ended.state, ended.error) == (JobState.FAILED, "CUPS is not installed: there is no command lp")
        assert service(app).fault() == ended.error
        assert service(app).picture(ended.uid, 1)


def test_what_cups_does_not_take_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install_lp(tmp_path, monkeypatch, 1)
    with _archive(tmp_path / "data", output="cups") as app:
        job = submitted(app)
        assert wait_until(lambda: "CUPS does not take" in service(app).get(job.uid).error, 30)
        _install_lp(tmp_path, monkeypatch, 0)
        assert over(app, job).state is JobState.DONE


def test_what_waits_is_cancelled_and_is_not_made(tmp_path: Path) -> None:
    with _archive(tmp_path, begun=False) as app:
        job, printing = submitted(app), service(app)
        assert printing.cancel(job.uid).state is JobState.CANCELLED
        with pytest.raises(ConflictError, match="cancelled"):
            printing.cancel(job.uid)
    with _archive(tmp_path) as app:
        other = over(app, submitted(app))
        assert other.state is JobState.DONE
        assert service(app).get(job.uid).state is JobState.CANCELLED


def test_a_full_queue_takes_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    with _archive(tmp_path, begun=False, max_jobs=1) as app:
        job = submitted(app)
        with pytest.raises(OutOfResourcesError, match="queue is full"):
            submitted(app)
        assert [path.name for path in (tmp_path / "print").iterdir()] == [job.uid]


def test_what_is_too_old_is_forgotten_and_so_is_what_has_no_job(tmp_path: Path) -> None:
    with _archive(tmp_path) as app:
        job = over(app, submitted(app))
    stray = tmp_path / "print" / "2.25.99"
    stray.mkdir()
    os.utime(stray, (1, 1))
    with _archive(tmp_path, begun=False) as app:
        printing = PrintService(service(app)._tools, app.config.print, lambda: 1e11)
        printing.start()
        assert [path.name for path in (tmp_path / "print").iterdir()] == []
        with pytest.raises(NotFoundError):
            printing.get(job.uid)


def test_a_job_outlives_the_server_that_took_it(tmp_path: Path) -> None:
    directory = tmp_path / "archive" / "data"
    server = launch(directory)
    try:
        server.wait_until_ready()
        with modality(RemoteNode("PACS_SCP", "127.0.0.1", server.port)) as printing:
            printing.begin(FilmSessionLabel="Demo")
            _, boxes = printing.film()
            printing.put(boxes[0], 1, image(np.full((100, 100), 9, np.uint8)))
            _, job = printing.print(FILM_UID)
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait(20)
    finally:
        stop(server)
    server = launch(directory)
    try:
        server.wait_until_ready()
        films = Films(f"http://127.0.0.1:{server.http_port}")
        assert wait_until(lambda: films.job(job)["state"] == "done", 60)
        assert len(pdf_pictures(films.pdf(job))) == 1
    finally:
        assert stop(server) == 0


def _install_lp(directory: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Put a command `lp` onto the path that notes what it is told."""
    command = directory / "lp"
    command.write_text(_LP.format(told=directory, code=code), "ascii")
    command.chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
