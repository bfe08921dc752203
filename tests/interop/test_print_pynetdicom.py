"""pynetdicom as a modality that prints on us: every service of print management, in grey and in colour."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from archimage.dicom.film.geometry import Sheet
from archimage.protocol import uids
from tests.attacks.server import wait_until
from tests.interop.peers import Served, serve_both
from tests.printing.films import (
    COLOUR,
    FILM_UID,
    GREY,
    SESSION_UID,
    Films,
    film_box,
    image,
    item,
    modality,
    pdf_pictures,
)


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


def test_a_film_in_colour_shows_its_colours(served: Served, films: Films) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (200, 100, 3), np.uint8)
    with modality(served.node, COLOUR) as printing:
        assert printing.begin() == 0
        status, boxes = printing.film(r"STANDARD\2,1", MagnificationType="NONE", EmptyImageDensity="WHITE")
        assert (status, len(boxes)) == (0, 2)
        assert printing.put(boxes[1], 2, image(pixels)) == 0
        apart = image(np.ascontiguousarray(np.moveaxis(pixels, 2, 0)).reshape(200, 100, 3), PlanarConfiguration=1)
        assert printing.put(boxes[0], 1, apart) == 0
        status, job = printing.print()
        assert status == 0
        assert _done(films, job)
    (film,) = pdf_pictures(films.pdf(job))
    for position in (1, 2):
        box = Sheet("8INX10IN", "PORTRAIT", r"STANDARD\2,1", 150).boxes()[position - 1]
        left, top = box.left + (box.width - 100) // 2, box.top + (box.height - 200) // 2
        assert np.array_equal(film[top : top + 200, left : left + 100], pixels)


def test_twelve_bits_go_through_a_presentation_lut(served: Served, films: Films) -> None:
    pixels = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    entries = np.linspace(0, 4095, 4096).astype(np.uint16)[::-1]
    lut = item(LUTDescriptor=[4096, 0, 12], LUTData=entries.tobytes())
    lut["LUTDescriptor"].VR, lut["LUTData"].VR = "US", "OW"
    with modality(served.node) as printing:
        assert printing.begin() == 0
        status, _ = printing.create(uids.PRESENTATION_LUT, "2.25.7", item(PresentationLUTSequence=[lut]), "own")
        assert status == 0
        reference = item(ReferencedSOPClassUID=uids.PRESENTATION_LUT, ReferencedSOPInstanceUID="2.25.7")
        more: dict[str, Any] = {"MagnificationType": "NONE", "ReferencedPresentationLUTSequence": [reference]}
        _, boxes = printing.film(**more)
        assert printing.put(boxes[0], 1, image(pixels, 12)) == 0
        _, job = printing.print()
        assert _done(films, job)
        assert printing.delete(uids.PRESENTATION_LUT, "2.25.7", "own") == 0
    (film,) = pdf_pictures(films.pdf(job))
    shown = film[(1500 - 64) // 2 :, (1200 - 64) // 2 :][:64, :64]
    assert np.array_equal(shown, np.rint(255 * (1 - pixels / 4095)).astype(np.uint8))


def test_text_stands_on_the_film_whatever_it_holds(served: Served, films: Films) -> None:
    with modality(served.node) as printing:
        assert printing.begin() == 0
        _, told = printing.create(
            uids.BASIC_FILM_BOX, FILM_UID, film_box(r"STANDARD\1,1", AnnotationDisplayFormatID="TOP")
        )
        assert told is not None
        (line,) = [found.ReferencedSOPInstanceUID for found in told.ReferencedBasicAnnotationBoxSequence]
        text = item(AnnotationPosition=1, TextString="Demo\x1b[2J\x07^Film\r")
        assert printing.change(uids.BASIC_ANNOTATION_BOX, line, text, "own") == 0
        status, job = printing.print()
        assert status == 0xB603
        assert _done(films, job)
    (film,) = pdf_pictures(films.pdf(job))
    assert film[:80].any()
    assert not film[100:].any()


def test_the_printer_tells_of_itself(served: Served) -> None:
    with modality(served.node) as printing:
        for context in (GREY, "own"):
            status, told = printing.get(uids.PRINTER, uids.PRINTER_INSTANCE, [0x21100010, 0x21100030], context)
            assert told is not None
            assert (status, told.PrinterStatus, told.PrinterName) == (0, "NORMAL", "PACS_SCP")
        assert printing.get(uids.PRINTER, "2.25.99", [])[0] == 0x0112
        assert printing.get(uids.PRINTER, uids.PRINTER_INSTANCE, [0x00100010])[0] == 0x0107
        assert printing.get(uids.PRINT_JOB, "2.25.99", [], "own")[0] == 0x0112


def test_a_whole_session_is_printed_with_all_its_films(served: Served, films: Films) -> None:
    with modality(served.node, watched=False) as printing:
        assert printing.begin(NumberOfCopies=2, PrintPriority="HIGH", FilmSessionLabel="Demo session") == 0
        assert printing.act(uids.BASIC_FILM_SESSION, SESSION_UID)[0] == 0xC600
        for number, shade in enumerate((10, 200), 1):
            uid = f"2.25.2{number}"
            _, told = printing.create(uids.BASIC_FILM_BOX, uid, film_box(r"ROW\1,2", FilmOrientation="LANDSCAPE"))
            assert told is not None
            box = told.ReferencedImageBoxSequence[2].ReferencedSOPInstanceUID
            flat = np.full((50, 50), shade, np.uint8)
            assert printing.put(box, 3, image(flat), MagnificationType="REPLICATE") == 0
        status, told = printing.act(uids.BASIC_FILM_SESSION, SESSION_UID)
        assert status == 0
        assert not told
        assert printing.delete(uids.BASIC_FILM_BOX, "2.25.21") == 0
        assert printing.delete(uids.BASIC_FILM_SESSION, SESSION_UID) == 0
        assert printing.change(uids.BASIC_FILM_BOX, "2.25.22", item(Trim="YES")) == 0x0112
    job = films.jobs()[0]
    assert (job["copies"], job["priority"], job["films"], job["label"]) == (2, "HIGH", 2, "Demo session")
    assert _done(films, job["uid"])
    for film, shade in zip(pdf_pictures(films.pdf(job["uid"])), (10, 200), strict=True):
        assert film.shape == (1200, 1500)
        assert set(np.unique(film)) == {0, shade}
    assert films.png(job["uid"], 2).startswith(b"\x89PNG")


def test_a_job_is_printed_again_and_is_deleted(served: Served, films: Films) -> None:
    with modality(served.node) as printing:
        printing.begin()
        printing.film()
        _, job = printing.print()
        assert _done(films, job)
    before = films.pdf(job)
    assert films.post(job, "reprint")["state"] in {"pending", "printing", "done"}
    assert _done(films, job)
    assert films.pdf(job) == before
    assert films.refusal(job, "cancel") == 409
    films.remove(job)
    assert job not in {found["uid"] for found in films.jobs()}
    assert films.refusal(job, "reprint") == 404


def test_an_association_that_ends_in_the_middle_leaves_nothing(served: Served, films: Films) -> None:
    before = films.jobs()
    with modality(served.node) as printing:
        printing.begin()
        _, boxes = printing.film()
        printing.put(boxes[0], 1, image(np.zeros((2000, 2000), np.uint8)))
        printing.association.abort()
    with modality(served.node) as printing:
        assert printing.act(uids.BASIC_FILM_BOX, FILM_UID)[0] == 0x0112
        assert printing.begin() == 0
    assert films.jobs() == before
