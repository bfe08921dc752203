"""The film session of an association: what is refused and with which status, and what only warns."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from archimage.errors import RefusedOperationError
from archimage.protocol import uids
from archimage.services import printattributes as attributes
from archimage.services.datasets import Model, attribute, items, made, text
from archimage.services.filmsession import MAX_FILMS, MAX_LUTS, FilmSession
from archimage.services.printattributes import reference
from archimage.services.printimages import GREY_SEQUENCE
from archimage.storage.films import FilmDirectory

SESSION, FILM = "2.25.1", "2.25.2"
GREY_BOX = uids.BASIC_GRAYSCALE_IMAGE_BOX
_INSTANCE = 0x00081155


@pytest.fixture
def session(tmp_path: Path) -> Iterator[FilmSession]:
    """A film session that has been begun, of at most 1 MiB of pixels."""
    with closing(FilmSession(FilmDirectory(tmp_path).spool, 100, 1 << 20)) as found:
        found.create(uids.BASIC_FILM_SESSION, SESSION, {})
        yield found


def _film(display_format: str = r"STANDARD\1,1", session: str = SESSION, **more: Any) -> Model:
    given = {
        attributes.DISPLAY_FORMAT: display_format,
        attributes.FILM_SIZE: "8INX10IN",
        attributes.SESSION_REFERENCE: reference(uids.BASIC_FILM_SESSION, session),
    } | {getattr(attributes, name): value for name, value in more.items()}
    return made(*(attribute(tag, value) for tag, value in given.items()))


def _boxes(session: FilmSession, display_format: str = r"STANDARD\1,1", uid: str = FILM, **more: Any) -> list[str]:
    answer = session.create(uids.BASIC_FILM_BOX, uid, _film(display_format, **more))
    return [text(box, _INSTANCE) for box in items(answer.told, attributes.IMAGE_BOXES)]


def _image(rows: int = 10, columns: int = 20, **changed: Any) -> Model:
    values: dict[int, Any] = {
        0x00280002: 1,
        0x00280004: "MONOCHROME2",
        0x00280010: rows,
        0x00280011: columns,
        0x00280100: 8,
        0x00280101: 8,
        0x00280102: 7,
        0x00280103: 0,
    }
    values |= {int(name[1:], 16): value for name, value in changed.items()}
    return made(*(attribute(tag, value) for tag, value in values.items() if value is not None))


def _put(session: FilmSession, box: str, image: Model | None = None, size: int = 200, **more: Any) -> int:
    given = [attribute(GREY_SEQUENCE, _image() if image is None else image)]
    given += [attribute(getattr(attributes, name), value) for name, value in ({"POSITION": 1} | more).items()]
    return session.change(GREY_BOX, box, made(*given), memoryview(bytes(size))).warned


def _refusal(call: Any, *arguments: Any, **more: Any) -> tuple[int, tuple[int, ...]]:
    with pytest.raises(RefusedOperationError) as refused:
        call(*arguments, **more)
    return refused.value.status, refused.value.offending


@pytest.mark.parametrize(
    "display_format",
    [
        *(
            r"STANDARD\100,100",
            r"STANDARD\0,1",
            r"STANDARD\1",
            r"STANDARD\-1,1",
            r"STANDARD\1,1,1",
            "STANDARD",
            "SLIDE\\1",
        ),
        *(
            r"ROW\99,99",
            r"COL\0",
            "ROW\\",
            r"CUSTOM\1",
            "",
            "\x00",
            "STANDARD\\" + "9" * 1_000 + ",1",
            "ROW\\" + "1," * 5_000,
        ),
    ],
)
def test_formats_that_are_unknown_or_have_too_many_boxes_are_refused(session: FilmSession, display_format: str) -> None:
    status, offending = _refusal(session.create, uids.BASIC_FILM_BOX, FILM, _film(display_format))
    assert status in {0x0106, 0x0120, 0x0121}
    assert offending == (attributes.DISPLAY_FORMAT,)
    assert _refusal(session.delete, uids.BASIC_FILM_BOX, FILM)[0] == 0x0112


@pytest.mark.parametrize(
    ("display_format", "count"),
    [
        (r"STANDARD\2,3", 6),
        (r"ROW\1,2,3", 6),
        (r"COL\3,1", 4),
        ("SLIDE", 12),
        ("SUPERSLIDE", 12),
        (r"STANDARD\10,10", 100),
    ],
)
def test_formats_have_their_boxes(session: FilmSession, display_format: str, count: int) -> None:
    assert len(_boxes(session, display_format)) == count


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("FILM_SIZE", "999INX999IN"), ("ORIENTATION", "UPSIDE"), ("MAGNIFICATION", "HUGE"), ("TRIM", "MAYBE")),
        *(("BORDER", "GREEN"), ("EMPTY", "-1"), ("MAX_DENSITY", 65_535), ("ANNOTATION_FORMAT", "NOWHERE")),
    ],
)
def test_values_that_an_attribute_cannot_have_are_refused(session: FilmSession, name: str, value: object) -> None:
    values: dict[str, Any] = {name: value}
    refused = _refusal(session.create, uids.BASIC_FILM_BOX, FILM, _film(**values))
    assert refused == (0x0106, (getattr(attributes, name),))


def test_calls_out_of_order_are_refused(tmp_path: Path) -> None:
    with closing(FilmSession(FilmDirectory(tmp_path).spool, 100, 1 << 20)) as session:
        assert _refusal(session.create, uids.BASIC_FILM_BOX, FILM, _film()) == (0x0106, (attributes.SESSION_REFERENCE,))
        assert _refusal(session.printed, uids.BASIC_FILM_BOX, FILM, 1)[0] == 0x0112
        assert _refusal(session.delete, uids.BASIC_FILM_SESSION, SESSION)[0] == 0x0112
        assert _refusal(session.change, GREY_BOX, "2.25.9", {})[0] == 0x0112
        assert _refusal(session.create, uids.BASIC_FILM_SESSION, "1.02.x", {})[0] == 0x0117
        session.create(uids.BASIC_FILM_SESSION, SESSION, {})
        assert _refusal(session.create, uids.BASIC_FILM_SESSION, SESSION, {})[0] == 0x0111
        assert _refusal(session.create, uids.BASIC_FILM_SESSION, "2.25.5", {})[0] == 0x0111
        assert _refusal(session.create, GREY_BOX, "2.25.5", {})[0] == 0x0118
        assert _refusal(session.printed, uids.BASIC_FILM_SESSION, SESSION, 1)[0] == 0xC600
        assert not list(tmp_path.iterdir())


def test_instances_are_of_their_class_alone(session: FilmSession) -> None:
    (box,) = _boxes(session)
    assert _refusal(session.change, uids.BASIC_COLOR_IMAGE_BOX, box, {})[0] == 0x0119
    assert _refusal(session.change, uids.BASIC_FILM_BOX, SESSION, {})[0] == 0x0119
    assert _refusal(session.printed, uids.BASIC_FILM_BOX, SESSION, 1)[0] == 0x0119
    assert _refusal(session.printed, uids.BASIC_FILM_BOX, FILM, 2)[0] == 0x0123
    assert _refusal(session.delete, GREY_BOX, box)[0] == 0x0211


@pytest.mark.parametrize(
    ("changed", "status", "tag"),
    [
        ({"x00280010": None}, 0x0120, 0x00280010),
        ({"x00280010": 11}, 0x0106, 0x7FE00010),
        ({"x00280011": 0}, 0x0106, 0x7FE00010),
        ({"x00280010": 65_535, "x00280011": 65_535}, 0x0106, 0x7FE00010),
        ({"x00280002": 3}, 0x0106, 0x00280002),
        ({"x00280004": "PALETTE COLOR"}, 0x0106, 0x00280004),
        ({"x00280100": 32}, 0x0106, 0x00280100),
        ({"x00280101": 12}, 0x0106, 0x00280101),
        ({"x00280102": 15}, 0x0106, 0x00280102),
        ({"x00280103": 1}, 0x0106, 0x00280103),
    ],
)
def test_images_that_lie_of_their_pixels_are_refused(
    session: FilmSession, changed: dict[str, Any], status: int, tag: int
) -> None:
    (box,) = _boxes(session)
    assert _refusal(_put, session, box, _image(**changed)) == (status, (tag,))
    assert session.printed(uids.BASIC_FILM_BOX, FILM, 1).status == 0xB603


def test_an_image_that_is_larger_than_its_box_warns_or_is_refused(session: FilmSession) -> None:
    (box,) = _boxes(session)
    image: dict[str, Any] = {"image": _image(1_000, 1_000), "size": 1_000_000}
    for behaviour in ("FAIL", "DECIMATE"):
        assert _refusal(_put, session, box, **image, MAGNIFICATION="NONE", BEHAVIOUR=behaviour)[0] == 0xC603
    assert _put(session, box, REQUESTED_SIZE="5000") == 0xB60A
    assert _put(session, box, REQUESTED_SIZE="5000", BEHAVIOUR="CROP") == 0xB609
    assert _put(session, box, **image, MAGNIFICATION="NONE") == 0xB604
    assert session.printed(uids.BASIC_FILM_BOX, FILM, 1).status == 0xB604


def test_what_is_asked_for_and_not_there_warns(session: FilmSession) -> None:
    answer = session.create(uids.BASIC_FILM_BOX, FILM, _film(MAX_DENSITY=400) | {"00100010": {"vr": "PN"}})
    assert (answer.status, answer.unknown) == (0xB605, (0x00100010,))
    kept = session.change(uids.BASIC_FILM_SESSION, SESSION, made(attribute(attributes.MEMORY, 100)))
    assert kept.status == 0xB600
    assert session.printed(uids.BASIC_FILM_SESSION, SESSION, 1).status == 0xB602


def test_what_a_film_is_made_of_cannot_be_changed(session: FilmSession) -> None:
    _boxes(session)
    given = made(attribute(attributes.FILM_SIZE, "A4"))
    assert _refusal(session.change, uids.BASIC_FILM_BOX, FILM, given) == (0x0106, (attributes.FILM_SIZE,))
    changed = session.change(uids.BASIC_FILM_BOX, FILM, made(attribute(attributes.TRIM, "YES")))
    assert text(changed.told, attributes.TRIM) == "YES"


def test_an_image_is_taken_away_by_an_empty_sequence(session: FilmSession) -> None:
    (box,) = _boxes(session)
    assert _put(session, box) == 0
    emptied = made(attribute(attributes.POSITION, 1), (f"{GREY_SEQUENCE:08X}", {"vr": "SQ"}))
    session.change(GREY_BOX, box, emptied)
    assert session.printed(uids.BASIC_FILM_BOX, FILM, 1).status == 0xB603


def test_a_session_has_no_more_pixels_films_and_luts_than_it_may(session: FilmSession) -> None:
    boxes = _boxes(session, r"STANDARD\2,1")
    assert _put(session, boxes[0], _image(700, 1_000), 700_000) == 0xB604
    assert _refusal(_put, session, boxes[1], _image(700, 1_000), 700_000, POSITION=2)[0] == 0xC605
    for number in range(MAX_FILMS - 1):
        _boxes(session, uid=f"2.25.5{number}")
    assert _refusal(session.create, uids.BASIC_FILM_BOX, "2.25.6", _film())[0] == 0x0213
    shape = made(attribute(0x20500020, "LIN OD"))
    for _ in range(MAX_LUTS):
        session.create(uids.PRESENTATION_LUT, "", shape)
    assert _refusal(session.create, uids.PRESENTATION_LUT, "", shape)[0] == 0x0213


def test_luts_that_are_none_are_refused(session: FilmSession) -> None:
    create = session.create
    assert _refusal(create, uids.PRESENTATION_LUT, "", {}) == (0x0120, (0x20500020,))
    assert _refusal(create, uids.PRESENTATION_LUT, "", made(attribute(0x20500020, "ROUND"))) == (0x0106, (0x20500020,))
    for descriptor, data in (((4, 0, 12), b"\0" * 6), ((4, 1, 12), b"\0" * 8), ((2, 0, 12), b"\xff" * 4), ((), b"")):
        table = made(attribute(0x00283002, *descriptor), attribute(0x00283006, data))
        table["00283006"]["vr"] = "OW"
        assert _refusal(create, uids.PRESENTATION_LUT, "", made(attribute(0x20500010, table)))[0] == 0x0106
    missing = reference(uids.PRESENTATION_LUT, "2.25.77")
    assert _refusal(create, uids.BASIC_FILM_BOX, FILM, _film(LUT_REFERENCE=missing)) == (
        0x0106,
        (attributes.LUT_REFERENCE,),
    )


def test_what_a_session_keeps_on_disk_has_no_name_and_goes_with_it(session: FilmSession, tmp_path: Path) -> None:
    (box,) = _boxes(session)
    _put(session, box)
    assert not list(tmp_path.iterdir())
    printed = session.printed(uids.BASIC_FILM_BOX, FILM, 1)
    ((_, pixels),) = printed.films()
    assert pixels == [bytes(200)]
    session.close()
    assert _refusal(lambda: list(printed.films()))[0] == 0x0110
    assert _refusal(_put, session, box)[0] == 0xC605
