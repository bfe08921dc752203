"""The film session of one association, with its boxes and presentation LUTs: what is made, set, printed and deleted.

It lives as long as the association. Pixels go to a spool; memory holds attributes only, and these are bounded.

Ref: PS3.4 §H.4.1, §H.4.2, §H.4.3, §H.4.5, §H.4.9.
"""

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from archimage.dicom.film import description
from archimage.dicom.film.description import BoxImage, Film, PresentationLut
from archimage.dicom.film.geometry import Rectangle, Sheet
from archimage.dicom.film.placing import place
from archimage.errors import InvalidRequestError, RefusedOperationError
from archimage.model.ids import is_uid
from archimage.ports.print import Spool
from archimage.protocol import uids
from archimage.protocol.status import Status
from archimage.services import printattributes as attributes
from archimage.services.datasets import Model, attribute, items, text
from archimage.services.printattributes import changed, created, invalid, reference, referred
from archimage.services.printimages import COLOUR_SEQUENCE, GREY_SEQUENCE, box_image, density, presentation_lut

MAX_FILMS: Final = 50
MAX_LUTS: Final = 16
DENSITY_LIMITED: Final = 0xB605
_NO_MEMORY_ALLOCATION: Final = 0xB600
_EMPTY_SESSION: Final = 0xB602
_EMPTY_FILM: Final = 0xB603
_NO_FILMS: Final = 0xC600
_NO_ROOM: Final = 0xC605
_TEXT: Final = 0x20300020
_TEXT_POSITION: Final = 0x20300010


@dataclass(slots=True)
class Box:
    """An image box: its attributes, and where its pixels are in the spool."""

    uid: str
    position: int
    image: BoxImage | None = None
    offset: int = 0
    status: int = 0


@dataclass(slots=True)
class FilmBox:
    """A film box; lines are its annotation boxes by UID, with their text."""

    uid: str
    sheet: Sheet
    colour: bool
    values: Model
    lut: PresentationLut
    places: Sequence[Rectangle]
    boxes: Mapping[str, Box]
    lines: dict[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered; unknown are the tags that were not understood, film the model that is told."""

    uid: str = ""
    told: Model = field(default_factory=dict)
    status: int = Status.SUCCESS
    unknown: tuple[int, ...] = ()

    @property
    def warned(self) -> int:
        """The status, with a warning where something was not understood."""
        return self.status or (Status.ATTRIBUTE_LIST_ERROR if self.unknown else Status.SUCCESS)


@dataclass(frozen=True, slots=True)
class Printed:
    """What is to be printed: attributes of the session, films with the pixels of their images, one read at a time."""

    values: Model
    count: int
    films: Callable[[], Iterator[tuple[Film, Sequence[bytes]]]]
    status: int


class FilmSession:
    """The film session and all below it; used by one thread at a time, and closed by any."""

    def __init__(self, spool: Callable[[], Spool], dpi: int, most_bytes: int) -> None:
        self._new_spool = spool
        self._spool: Spool | None = None
        self._spooled = 0
        self._most_bytes = most_bytes
        self._dpi = dpi
        self._lock = threading.Lock()
        self._closed = False
        self._uid = ""
        self._values: Model = {}
        self._films: dict[str, FilmBox] = {}
        self._luts: dict[str, PresentationLut] = {}

    def create(self, sop_class_uid: str, uid: str, given: Model, *, colour: bool = False) -> Answer:
        """Make an instance, of a UID that is given or, if it is empty, found here; colour is that of image boxes."""
        makers = {
            uids.BASIC_FILM_SESSION: self._create_session,
            uids.BASIC_FILM_BOX: self._create_colour_film if colour else self._create_film,
            uids.PRESENTATION_LUT: self._create_lut,
        }
        if sop_class_uid not in makers:
            raise RefusedOperationError("this is not made by N-CREATE", status=Status.NO_SUCH_SOP_CLASS)
        if uid and not is_uid(uid):
            raise RefusedOperationError("this is no UID", status=Status.INVALID_SOP_INSTANCE)
        if uid and self._class_of(uid):
            raise RefusedOperationError("there is such an instance already", status=Status.DUPLICATE_SOP_INSTANCE)
        return makers[sop_class_uid](uid or new_uid(), given)

    def change(self, sop_class_uid: str, uid: str, given: Model, pixels: memoryview | None = None) -> Answer:
        """Change an instance, as N-SET does."""
        self._check(sop_class_uid, uid)
        if sop_class_uid == uids.BASIC_FILM_SESSION:
            values, unknown = changed(self._values, given, attributes.SESSION)
            self._values = values
            return Answer(uid, values, _session_status(values), unknown)
        if sop_class_uid == uids.BASIC_FILM_BOX:
            return self._change_film(self._films[uid], given)
        if sop_class_uid == uids.BASIC_ANNOTATION_BOX:
            return self._change_line(uid, given)
        if sop_class_uid in _IMAGE_BOXES:
            return self._change_image(uid, given, pixels)
        raise RefusedOperationError("this cannot be changed", status=Status.UNRECOGNISED_OPERATION)

    def delete(self, sop_class_uid: str, uid: str) -> None:
        """Delete a film session, a film box or a presentation LUT, with all that is below it."""
        self._check(sop_class_uid, uid)
        if sop_class_uid == uids.BASIC_FILM_SESSION:
            self._uid, self._values = "", {}
            self._films.clear()
            self._drop_spool()
        elif sop_class_uid == uids.BASIC_FILM_BOX:
            del self._films[uid]
        elif sop_class_uid == uids.PRESENTATION_LUT:
            del self._luts[uid]
        else:
            raise RefusedOperationError("this goes with its film box", status=Status.UNRECOGNISED_OPERATION)

    def printed(self, sop_class_uid: str, uid: str, action: int) -> Printed:
        """Return what a film session or film box is to print."""
        if sop_class_uid not in {uids.BASIC_FILM_SESSION, uids.BASIC_FILM_BOX}:
            raise RefusedOperationError("this cannot be printed", status=Status.NO_SUCH_ACTION)
        self._check(sop_class_uid, uid)
        if action != 1:
            raise RefusedOperationError("there is no such action", status=Status.NO_SUCH_ACTION)
        whole = sop_class_uid == uids.BASIC_FILM_SESSION
        if whole and not self._films:
            raise RefusedOperationError("the film session has no film boxes", status=_NO_FILMS)
        films = list(self._films.values()) if whole else [self._films[uid]]
        boxes = [box for film in films for box in film.boxes.values() if box.image is not None]
        empty = _EMPTY_SESSION if whole else _EMPTY_FILM
        status = max((box.status for box in boxes), default=0) if boxes else empty
        return Printed(self._values, len(films), lambda: map(self._film, films), status)

    def close(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._closed = True
            self._drop_spool()

    def _check(self, sop_class_uid: str, uid: str) -> None:
        found = self._class_of(uid)
        if not found:
            raise RefusedOperationError("there is no such instance", status=Status.NO_SUCH_SOP_INSTANCE)
        if found != sop_class_uid:
            raise RefusedOperationError("the instance is of another class", status=Status.CLASS_INSTANCE_CONFLICT)

    def _class_of(self, uid: str) -> str:
        if uid in self._films:
            return uids.BASIC_FILM_BOX
        if uid in self._luts:
            return uids.PRESENTATION_LUT
        for film in self._films.values():
            if uid in film.boxes:
                return uids.BASIC_COLOR_IMAGE_BOX if film.colour else uids.BASIC_GRAYSCALE_IMAGE_BOX
            if uid in film.lines:
                return uids.BASIC_ANNOTATION_BOX
        return uids.BASIC_FILM_SESSION if uid and uid == self._uid else ""

    def _create_session(self, uid: str, given: Model) -> Answer:
        if self._uid:
            raise RefusedOperationError("there is a film session already", status=Status.DUPLICATE_SOP_INSTANCE)
        values, unknown = created(given, attributes.SESSION)
        self._uid, self._values = uid, values
        return Answer(uid, values, _session_status(values), unknown)

    def _create_lut(self, uid: str, given: Model) -> Answer:
        if len(self._luts) >= MAX_LUTS:
            raise RefusedOperationError("there are too many LUTs", status=Status.RESOURCE_LIMITATION)
        self._luts[uid] = presentation_lut(given)
        return Answer(uid, given)

    def _create_colour_film(self, uid: str, given: Model) -> Answer:
        return self._create_film(uid, given, colour=True)

    def _create_film(self, uid: str, given: Model, *, colour: bool = False) -> Answer:
        values, unknown = created(given, attributes.FILM, _FILM_SEQUENCES)
        session = referred(given, attributes.SESSION_REFERENCE)
        if not session:
            raise RefusedOperationError(
                "a film box refers to its film session",
                status=Status.MISSING_ATTRIBUTE,
                offending=(attributes.SESSION_REFERENCE,),
            )
        if session != self._uid:
            raise invalid(attributes.SESSION_REFERENCE, "there is no such film session")
        if len(self._films) >= MAX_FILMS:
            raise RefusedOperationError("the session has too many films", status=Status.RESOURCE_LIMITATION)
        sheet = self._sheet(values)
        try:
            places = sheet.boxes()
        except InvalidRequestError as error:
            raise invalid(attributes.DISPLAY_FORMAT, str(error)) from error
        if not places:
            raise invalid(attributes.DISPLAY_FORMAT, "the film is too small for this format")
        boxes = [Box(new_uid(), position) for position in range(1, len(places) + 1)]
        lines = [new_uid() for _ in sheet.lines()]
        lut = self._lut(given) or PresentationLut()
        film = FilmBox(
            uid, sheet, colour, values, lut, places, {box.uid: box for box in boxes}, dict.fromkeys(lines, "")
        )
        self._films[uid] = film
        return Answer(uid, values | _references(film, self._uid), _film_status(values), unknown)

    def _sheet(self, values: Model) -> Sheet:
        wanted = (attributes.FILM_SIZE, attributes.ORIENTATION, attributes.DISPLAY_FORMAT)
        size, orientation, display_format = (text(values, tag) for tag in wanted)
        return Sheet(size, orientation, display_format, self._dpi, text(values, attributes.ANNOTATION_FORMAT))

    def _lut(self, given: Model) -> PresentationLut | None:
        uid = referred(given, attributes.LUT_REFERENCE)
        if uid and uid not in self._luts:
            raise invalid(attributes.LUT_REFERENCE, "there is no such presentation LUT")
        return self._luts[uid] if uid else None

    def _change_film(self, film: FilmBox, given: Model) -> Answer:
        values, unknown = changed(film.values, given, attributes.FILM, _FILM_SEQUENCES)
        lut = self._lut(given)
        film.values, film.lut = values, lut or film.lut
        return Answer(film.uid, values, _film_status(values), unknown)

    def _change_line(self, uid: str, given: Model) -> Answer:
        film = next(film for film in self._films.values() if uid in film.lines)
        _, unknown = created(given, attributes.TEXT)
        position = text(given, _TEXT_POSITION)
        if position and int(position) != list(film.lines).index(uid) + 1:
            raise invalid(_TEXT_POSITION)
        film.lines[uid] = text(given, _TEXT)
        return Answer(uid, given, unknown=unknown)

    def _change_image(self, uid: str, given: Model, pixels: memoryview | None) -> Answer:
        film = next(film for film in self._films.values() if uid in film.boxes)
        box = film.boxes[uid]
        tag = COLOUR_SEQUENCE if film.colour else GREY_SEQUENCE
        values, unknown = created(given, attributes.IMAGE, (tag, attributes.LUT_REFERENCE))
        if int(text(values, attributes.POSITION)) != box.position:
            raise invalid(attributes.POSITION, "the box has another position")
        found = items(given, tag)
        if f"{tag:08X}" not in given:
            raise RefusedOperationError("there is no image", status=Status.MISSING_ATTRIBUTE, offending=(tag,))
        if not found:
            box.image, box.status = None, 0
            return Answer(uid, {}, unknown=unknown)
        image = box_image(values, found[0], pixels, colour=film.colour, position=box.position)
        magnification = image.magnification or text(film.values, attributes.MAGNIFICATION)
        image = replace(image, magnification=magnification, lut=self._lut(given))
        if magnification == "NONE" and text(given, attributes.BEHAVIOUR) == "DECIMATE":
            image = replace(image, behaviour="FAIL")  # as PS3.4 §H.4.3.1.2.1.3 wants it where both are asked for
        size = place(image, film.places[box.position - 1], film.sheet)
        limited = DENSITY_LIMITED if _is_limited(values) else 0
        assert pixels is not None  # noqa: S101 - box_image has looked
        box.offset = self._keep(pixels[: image.length])
        box.image, box.status = image, size.status
        return Answer(uid, {}, size.status or limited, unknown)

    def _keep(self, pixels: memoryview) -> int:
        with self._lock:
            if self._closed or self._spooled + len(pixels) > self._most_bytes:
                raise RefusedOperationError("the session has too many pixels", status=_NO_ROOM)
            if self._spool is None:
                self._spool = self._new_spool()
            try:
                offset = self._spool.append(pixels)
            except OSError as error:
                raise RefusedOperationError("there is no room on disk", status=_NO_ROOM) from error
            self._spooled += len(pixels)
            return offset

    def _film(self, film: FilmBox) -> tuple[Film, Sequence[bytes]]:
        """Return a film, and the pixels of its images."""
        boxes = [(box, box.image) for box in film.boxes.values() if box.image is not None]
        values = film.values
        least, most = density(values, attributes.MIN_DENSITY), density(values, attributes.MAX_DENSITY)
        lowest, highest = description.MIN_DENSITY, description.MAX_DENSITY
        made = Film(
            film.sheet,
            film.colour,
            border=text(values, attributes.BORDER),
            empty=text(values, attributes.EMPTY),
            trim=text(values, attributes.TRIM) == "YES",
            min_density=lowest if least is None else min(least, highest),
            max_density=highest if most is None else min(most, highest),
            illumination=int(text(values, attributes.ILLUMINATED)),
            reflected=int(text(values, attributes.AMBIENT)),
            lut=film.lut,
            images=tuple(image for _, image in boxes),
            texts=tuple(film.lines.values()),
        )
        with self._lock:
            if self._closed or (boxes and self._spool is None):
                raise RefusedOperationError("the association has ended")
            return made, [self._spool.read(box.offset, image.length) for box, image in boxes if self._spool]

    def _drop_spool(self) -> None:
        if self._spool is not None:
            self._spool.close()
        self._spool, self._spooled = None, 0


_IMAGE_BOXES: Final = frozenset({uids.BASIC_GRAYSCALE_IMAGE_BOX, uids.BASIC_COLOR_IMAGE_BOX})
_FILM_SEQUENCES: Final = (
    attributes.SESSION_REFERENCE,
    attributes.IMAGE_BOXES,
    attributes.ANNOTATION_BOXES,
    attributes.LUT_REFERENCE,
)


def new_uid() -> str:
    """Return a UID that nothing else has (PS3.5 §B.2)."""
    return f"2.25.{uuid.uuid4().int}"


def _references(film: FilmBox, session: str) -> Model:
    """Return the sequences by which the answer to N-CREATE tells the boxes of a film."""
    box_class = uids.BASIC_COLOR_IMAGE_BOX if film.colour else uids.BASIC_GRAYSCALE_IMAGE_BOX
    boxes = [reference(box_class, uid) for uid in film.boxes]
    lines = [reference(uids.BASIC_ANNOTATION_BOX, uid) for uid in film.lines]
    told = [
        attribute(attributes.SESSION_REFERENCE, reference(uids.BASIC_FILM_SESSION, session)),
        attribute(attributes.IMAGE_BOXES, *boxes),
    ]
    if lines:
        told.append(attribute(attributes.ANNOTATION_BOXES, *lines))
    return dict(told)


def _session_status(values: Model) -> int:
    return _NO_MEMORY_ALLOCATION if text(values, attributes.MEMORY) not in {"", "0"} else 0


def _film_status(values: Model) -> int:
    return DENSITY_LIMITED if _is_limited(values) else 0


def _is_limited(values: Model) -> bool:
    """Tell whether densities are asked for that the printer does not have."""
    given = (density(values, attributes.MIN_DENSITY), density(values, attributes.MAX_DENSITY))
    return any(value is not None and value > description.MAX_DENSITY for value in given)
