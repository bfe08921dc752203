"""Our side as a modality that prints: films of pictures on somebody's printer (PS3.4 Annex H)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from archimage.errors import (
    AssociationAbortedError,
    ConnectionFailedError,
    ContextNotAcceptedError,
    OperationFailedError,
    TimerExpiredError,
)
from archimage.net import reasons
from archimage.net.client import ClientAssociation
from archimage.net.conversation import Message
from archimage.protocol import uids
from archimage.protocol.command import n_action_rq, n_create_rq, n_delete_rq, n_set_rq
from archimage.protocol.negotiation import PresentationContext
from archimage.protocol.status import Service, describe, is_failure
from archimage.services import printattributes as attributes
from archimage.services.datasets import SYNTAXES, Attribute, Model, attribute, decode, encode, items, made, text
from archimage.services.filmsession import new_uid
from archimage.services.printattributes import reference
from archimage.services.printimages import COLOUR_SEQUENCE, GREY_SEQUENCE

_REFERENCED_JOBS: Final = 0x21000500
_INSTANCE_UID: Final = 0x00081155
_EVENTS: Final = {1: "pending", 2: "printing", 3: "done", 4: "failed"}


@dataclass(frozen=True, slots=True)
class Order:
    """How films are to be: columns and rows of each, and what is asked for of the film session and its boxes."""

    columns: int = 1
    rows: int = 1
    film_size: str = "8INX10IN"
    orientation: str = "PORTRAIT"
    magnification: str = "CUBIC"
    copies: int = 1
    label: str = ""
    colour: bool = False

    @property
    def meta(self) -> str:
        """The SOP class whose context all of it goes over."""
        return uids.BASIC_COLOR_PRINT_MANAGEMENT_META if self.colour else uids.BASIC_GRAYSCALE_PRINT_MANAGEMENT_META


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of 8 bits: a byte for each pixel, or three of red, green and blue."""

    rows: int
    columns: int
    pixels: bytes


@dataclass(slots=True)
class Outcome:
    """What came of it: films that the printer took, print jobs by what was heard of them, and its warnings."""

    films: int = 0
    jobs: dict[str, str] = field(default_factory=dict)
    warnings: list[int] = field(default_factory=list)


def contexts(order: Order) -> list[PresentationContext]:
    """Propose what printing needs, and to hear of print jobs."""
    wanted = (order.meta, uids.PRINT_JOB)
    return [PresentationContext(2 * number + 1, uid, SYNTAXES) for number, uid in enumerate(wanted)]


class Filming:
    """Prints over one association."""

    def __init__(self, association: ClientAssociation, order: Order) -> None:
        self._association = association
        self._order = order
        self._session = new_uid()
        self.outcome = Outcome()

    async def print(self, pictures: Sequence[Picture]) -> None:
        """Print pictures on as many films as they need.

        Raises:
            OperationFailedError: the printer refuses.
            ContextNotAcceptedError: it does not print, or not in these colours.
            AssociationError: it does not answer.
        """
        order = self._order
        self._check_offered()
        each = order.columns * order.rows
        session = made(attribute(attributes.COPIES, order.copies), attribute(attributes.LABEL, order.label))
        await self._create(uids.BASIC_FILM_SESSION, self._session, session)
        for begin in range(0, len(pictures), each):
            await self._film(pictures[begin : begin + each])
        await self._delete(uids.BASIC_FILM_SESSION, self._session)

    async def follow(self, patience_s: float) -> None:
        """Hear what becomes of the print jobs until all are over, as far as the printer tells of them in time."""
        jobs = self.outcome.jobs
        told = (context for context in self._association.contexts if context.abstract_syntax == uids.PRINT_JOB)
        if not any(context.accepted for context in told):
            return
        try:
            while any(state in {"pending", "printing"} for state in jobs.values()):
                event = await self._association.requested(patience_s)
                uid = event.command.affected_sop_instance_uid or ""
                if uid in jobs:
                    jobs[uid] = _EVENTS.get(event.command.event_type_id or 0, jobs[uid])
                await self._association.respond(event)
        except (TimerExpiredError, AssociationAbortedError, ConnectionFailedError):
            return  # it has taken the films, and says no more of them

    def _check_offered(self) -> None:
        order = self._order
        try:
            self._association.context(order.meta)
        except ContextNotAcceptedError as error:
            what = "in colours" if order.colour else "in grey"
            message = f"the printer does not print {what}: {error}"
            raise ContextNotAcceptedError(message, next_step=error.next_step) from error

    async def _film(self, pictures: Sequence[Picture]) -> None:
        order, uid = self._order, new_uid()
        session = reference(uids.BASIC_FILM_SESSION, self._session)
        film = made(
            attribute(attributes.DISPLAY_FORMAT, rf"STANDARD\{order.columns},{order.rows}"),
            attribute(attributes.FILM_SIZE, order.film_size),
            attribute(attributes.ORIENTATION, order.orientation),
            attribute(attributes.MAGNIFICATION, order.magnification),
            attribute(attributes.SESSION_REFERENCE, session),
        )
        told = await self._create(uids.BASIC_FILM_BOX, uid, film)
        boxes = [text(box, _INSTANCE_UID) for box in items(told, attributes.IMAGE_BOXES)]
        if len(boxes) < len(pictures):
            raise OperationFailedError("the printer makes fewer image boxes than it was asked for", status=0x0110)
        for position, (box, picture) in enumerate(zip(boxes, pictures, strict=False), 1):
            await self._put(box, position, picture)
        await self._print(uid)
        await self._delete(uids.BASIC_FILM_BOX, uid)

    async def _put(self, box: str, position: int, picture: Picture) -> None:
        colour = self._order.colour
        sop_class = uids.BASIC_COLOR_IMAGE_BOX if colour else uids.BASIC_GRAYSCALE_IMAGE_BOX
        image = attribute(COLOUR_SEQUENCE if colour else GREY_SEQUENCE, made(*_image(picture, colour=colour)))
        given = made(attribute(attributes.POSITION, position), image)
        await self._ask(
            await self._association.request(
                self._order.meta, lambda number: n_set_rq(number, sop_class, box), self._encoded(given)
            ),
            f"an image in position {position}",
        )

    async def _print(self, film: str) -> None:
        response = await self._association.request(
            self._order.meta, lambda number: n_action_rq(number, uids.BASIC_FILM_BOX, film, 1)
        )
        told = await self._ask(response, "to print")
        self.outcome.films += 1
        for job in items(told, _REFERENCED_JOBS):
            self.outcome.jobs[text(job, _INSTANCE_UID)] = "pending"

    async def _create(self, sop_class: str, uid: str, model: Model) -> Model:
        response = await self._association.request(
            self._order.meta, lambda number: n_create_rq(number, sop_class, uid), self._encoded(model)
        )
        return await self._ask(response, "a film box" if sop_class == uids.BASIC_FILM_BOX else "a film session")

    async def _delete(self, sop_class: str, uid: str) -> None:
        response = await self._association.request(self._order.meta, lambda number: n_delete_rq(number, sop_class, uid))
        await self._ask(response, "to delete what was printed")

    def _encoded(self, model: Model) -> bytes:
        return encode(model, self._association.context(self._order.meta).transfer_syntax)

    async def _ask(self, response: Message, what: str) -> Model:
        """Return what a response tells; OperationFailedError where it is a refusal."""
        status = response.command.status or 0
        if is_failure(status):
            comment = f" ({response.command.error_comment})" if response.command.error_comment else ""
            message = f"the printer refuses {what}: {describe(status, Service.PRINT)}, status {status:#06x}{comment}"
            raise OperationFailedError(message, status=status, next_step=reasons.status(status, Service.PRINT)[1])
        if status:
            self.outcome.warnings.append(status)
        if not response.dataset:
            return {}
        return decode(response.dataset, self._association.context(self._order.meta).transfer_syntax)


def _image(picture: Picture, *, colour: bool) -> list[tuple[str, Attribute]]:
    """Return the attributes of a picture, in the order of their tags."""
    pixels = picture.pixels + b"\0" * (len(picture.pixels) % 2)
    planar = [attribute(0x00280006, 0)] if colour else []
    return [
        attribute(0x00280002, 3 if colour else 1),
        attribute(0x00280004, "RGB" if colour else "MONOCHROME2"),
        *planar,
        attribute(0x00280010, picture.rows),
        attribute(0x00280011, picture.columns),
        attribute(0x00280100, 8),
        attribute(0x00280101, 8),
        attribute(0x00280102, 7),
        attribute(0x00280103, 0),
        attribute(0x7FE00010, pixels),
    ]
