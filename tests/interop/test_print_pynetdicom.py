"""pynetdicom as a modality that prints on us: every service of print management, in grey and in colour."""

from collections.abc import Iterator

import numpy as np
import pytest

from archimage.protocol import uids
from tests.attacks.server import wait_until
from tests.interop.peers import Served, serve_both
from tests.printing.films import Films, image, modality, pdf_pictures


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Our server."""
    with serve_both(tmp_path_factory.mktemp("printing") / "data") as found:
        yield found


@pytest.fixture(scope="module")
def films(served: Served) -> Films:
    """What it printed."""
    return Films(served.dicomweb_url.removesuffix("/dicom-web"))


def _done(films: Films, uid: str) -> bool:
    return wait_until(lambda: films.job(uid)["state"] in {"done", "failed"}, 30) and films.job(uid)["state"] == "done"


def test_a_film_shows_the_pixels_as_they_came(served: Served, films: Films) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (300, 400), np.uint8)
    with modality(served.node) as printing:
        assert printing.begin(NumberOfCopies=1, FilmSessionLabel="Demo") == 0
        status, boxes = printing.film(MagnificationType="NONE")
        assert (status, len(boxes)) == (0, 1)
        assert printing.put(boxes[0], 1, image(pixels)) == 0
        status, job = printing.print()
        assert status == 0
        assert _done(films, job)
        assert wait_until(lambda: [kind for kind, _ in printing.reports][-1:] == [3], 10)
        status, told = printing.get(uids.PRINT_JOB, job, [], context="own")
        assert told is not None
        assert (status, told.ExecutionStatus, told.Originator) == (0, "DONE", "MODALITY")
    (film,) = pdf_pictures(films.pdf(job))
    assert film.shape == (1500, 1200)
    top, left = (1500 - 300) // 2, (1200 - 400) // 2
    assert np.array_equal(film[top : top + 300, left : left + 400], pixels)
    assert not film[: top - 1].any()
