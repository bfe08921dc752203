"""`archimage print` on a printer by pynetdicom: what it is given, and what is said when it refuses."""

import subprocess
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import pytest

from archimage.protocol import uids
from tests.printing.command import command, noise, write
from tests.printing.films import COLOUR, GREY
from tests.printing.printer import Act, aborts, closes, printer, refuses, tells

_FILM: Final = ("action", uids.BASIC_FILM_BOX)
_IMAGE: Final = ("set", uids.BASIC_GRAYSCALE_IMAGE_BOX)


def _outcome(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = orjson.loads(done.stdout)
    return found


def test_a_printer_is_given_films_with_the_pixels_of_the_files(tmp_path: Path) -> None:
    images = [noise(1, 60, 40), noise(2, 31, 33), noise(3, 16, 200)]
    options = ("--layout", "2,1", "--film-size", "14INX17IN", "--landscape", "--magnification", "NONE")
    with printer() as (made, node):
        more = ("--copies", "2", "--label", "Demo", "--json")
        outcome = _outcome(command(node, *write(tmp_path, *images), *options, *more))
    assert (outcome["films"], outcome["warnings"], list(outcome["jobs"].values())) == (2, [], ["done", "done"])
    (session,) = made.sessions
    assert (session.NumberOfCopies, session.FilmSessionLabel) == (2, "Demo")
    for film in made.films:
        wanted = ("STANDARD\\2,1", "14INX17IN", "LANDSCAPE", "NONE")
        assert (film.ImageDisplayFormat, film.FilmSizeID, film.FilmOrientation, film.MagnificationType) == wanted
    assert [box.ImageBoxPosition for box in made.images] == [1, 2, 1]
    assert all(np.array_equal(made.pixels(number), pixels) for number, pixels in enumerate(images))
    each = [("create", uids.BASIC_FILM_BOX), _IMAGE, _FILM, ("delete", uids.BASIC_FILM_BOX)]
    session_asked = [(what, uids.BASIC_FILM_SESSION) for what in ("create", "delete")]
    assert made.asked == [session_asked[0], each[0], _IMAGE, *each[1:], *each, session_asked[1]]


def test_a_printer_is_given_the_colours_of_the_files(tmp_path: Path) -> None:
    images = [noise(1, 20, 30, 3), noise(2, 9, 11, 3)]
    with printer() as (made, node):
        outcome = _outcome(command(node, *write(tmp_path, *images), "--layout", "1,2", "--color", "--json"))
    assert (outcome["films"], list(outcome["jobs"].values())) == (1, ["done"])
    assert all(np.array_equal(made.pixels(number), pixels) for number, pixels in enumerate(images))


def test_of_a_printer_that_tells_nothing_of_jobs_nothing_is_awaited(tmp_path: Path) -> None:
    with printer(offered=(GREY, COLOUR), last=lambda *_: None) as (_, node):
        outcome = _outcome(command(node, *write(tmp_path, noise(1, 8, 8)), "--wait", "3600", "--json"))
    assert (outcome["films"], list(outcome["jobs"].values())) == (1, ["pending"])


def test_a_job_that_fails_is_said_and_is_a_failure(tmp_path: Path) -> None:
    with printer(last=tells(4)) as (_, node):
        done = command(node, *write(tmp_path, noise(1, 8, 8)))
    assert (done.returncode, "failed: print job " in done.stderr) == (1, True), done.stderr


@pytest.mark.parametrize(
    ("on", "code", "said"),
    [
        (
            {_IMAGE: refuses(0xC603)},
            1,
            "in position 1: an image is larger than its box, status 0xc603. Ask for larger films, or for fewer",
        ),
        ({_FILM: refuses(0xC602)}, 1, "the printer refuses to print: the print queue is full, status 0xc602"),
        ({("create", uids.BASIC_FILM_BOX): refuses(0x0106)}, 1, "the printer refuses a film box: invalid"),
        ({_IMAGE: aborts}, 1, "aborted: by its user, no reason given. Try again."),
        ({_IMAGE: closes}, 3, "closed the connection. Try again."),
    ],
)
def test_a_printer_that_refuses_or_hangs_up_is_told_of(
    tmp_path: Path, on: dict[tuple[str, str], Act], code: int, said: str
) -> None:
    with printer(on) as (_, node):
        done = command(node, *write(tmp_path, noise(1, 8, 8)))
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1), done.stderr
    assert said in done.stderr


def test_what_was_printed_before_a_failure_is_said(tmp_path: Path) -> None:
    answers = iter([0, 0xC602])
    with printer({_FILM: lambda _: next(answers)}) as (_, node):
        done = command(node, *write(tmp_path, noise(1, 8, 8), noise(2, 8, 8)))
    assert done.returncode == 1
    assert done.stderr.startswith("films that the printer had taken before it failed: 1\n"), done.stderr


@pytest.mark.parametrize("hang_up", [aborts, closes])
def test_a_printer_that_hangs_up_once_it_has_the_films_has_printed_them(tmp_path: Path, hang_up: Act) -> None:
    with printer(last=lambda _, association: hang_up(association)) as (_, node):
        outcome = _outcome(command(node, *write(tmp_path, noise(1, 8, 8)), "--json"))
    assert (outcome["films"], list(outcome["jobs"].values())) == (1, ["pending"])


@pytest.mark.parametrize(("options", "offered", "said"), [((), COLOUR, "in grey"), (("--color",), GREY, "in colours")])
def test_a_printer_that_lacks_grey_or_colours_is_told_of(
    tmp_path: Path, options: tuple[str, ...], offered: str, said: str
) -> None:
    with printer(offered=(offered,)) as (made, node):
        done = command(node, *write(tmp_path, noise(1, 8, 8)), *options)
    assert (done.returncode, made.asked) == (1, []), done.stderr
    assert f"the printer does not print {said}: " in done.stderr
    assert "The peer does not offer this, or not to our AE title: have it enabled there." in done.stderr
