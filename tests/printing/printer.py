"""pynetdicom as a printer (PS3.4 Annex H): it keeps what comes, and may refuse, hang up or say what became of a job."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.pdu import P_DATA_TF

from archimage.model.ids import new_uid
from archimage.net.conversation import RemoteNode
from archimage.protocol import uids
from tests.interop.peers import free_port
from tests.printing.films import COLOUR, GREY, item

TITLE: Final = "PRINTER"
_IMAGES: Final = {
    uids.BASIC_GRAYSCALE_IMAGE_BOX: "BasicGrayscaleImageSequence",
    uids.BASIC_COLOR_IMAGE_BOX: "BasicColorImageSequence",
}

Act = Callable[[Any], int]
"""What is done on an association in place of an answer; returns a status."""


class Printer:
    """Takes film sessions; what it was asked is in `asked`, what it was given in the fields below.

    on says what it does when it is asked; last, on the association, is done once the film session is over.
    """

    def __init__(self, on: dict[tuple[str, str], Act], last: Callable[["Printer", Any], object]) -> None:
        self.asked: list[tuple[str, str]] = []
        self.sessions: list[Dataset] = []
        self.films: list[Dataset] = []
        self.images: list[Dataset] = []
        self.jobs: list[str] = []
        self.kept: set[str] = set()
        self.threads: list[threading.Thread] = []
        self._on = on
        self._last = last
        self._over = False

    def create(self, event: evt.Event) -> tuple[int, Dataset | None]:
        """Make a film session or a film box, and the image boxes of that one."""
        request: Any = event.request
        sop_class, given = str(request.AffectedSOPClassUID), event.attribute_list
        if status := self._refused("create", sop_class, event):
            return status, None
        self.kept.add(str(request.AffectedSOPInstanceUID))
        if sop_class == uids.BASIC_FILM_SESSION:
            self.sessions.append(given)
            return 0, given
        self.films.append(given)
        columns, rows = map(int, given.ImageDisplayFormat.removeprefix("STANDARD\\").split(","))
        colour = any(context.abstract_syntax == COLOUR for context in event.assoc.accepted_contexts)
        box = uids.BASIC_COLOR_IMAGE_BOX if colour else uids.BASIC_GRAYSCALE_IMAGE_BOX
        boxes = [item(ReferencedSOPClassUID=box, ReferencedSOPInstanceUID=new_uid()) for _ in range(columns * rows)]
        self.kept.update(str(one.ReferencedSOPInstanceUID) for one in boxes)
        return 0, item(ReferencedImageBoxSequence=boxes)

    def change(self, event: evt.Event) -> tuple[int, Dataset | None]:
        """Take an image."""
        request: Any = event.request
        sop_class = str(request.RequestedSOPClassUID)
        if status := self._refused("set", sop_class, event):
            return status, None
        if str(request.RequestedSOPInstanceUID) not in self.kept:
            return 0x0112, None
        self.images.append(event.modification_list)
        return 0, None

    def act(self, event: evt.Event) -> tuple[int, Dataset | None]:
        """Print a film, which is a print job."""
        request: Any = event.request
        if status := self._refused("action", str(request.RequestedSOPClassUID), event):
            return status, None
        self.jobs.append(new_uid())
        job = item(ReferencedSOPClassUID=uids.PRINT_JOB, ReferencedSOPInstanceUID=self.jobs[-1])
        return 0, item(ReferencedPrintJobSequencePullStoredPrint=[job])

    def delete(self, event: evt.Event) -> int:
        """Delete a film box or the film session."""
        request: Any = event.request
        sop_class = str(request.RequestedSOPClassUID)
        if status := self._refused("delete", sop_class, event):
            return status
        self.kept.discard(str(request.RequestedSOPInstanceUID))
        self._over = sop_class == uids.BASIC_FILM_SESSION
        return 0

    def sent(self, event: evt.Event) -> None:
        """Go on in a thread of its own once the answer is out by which the film session is over."""
        if self._over and isinstance(event.pdu, P_DATA_TF):
            self._over = False
            self.threads.append(threading.Thread(target=self._last, args=(self, event.assoc)))
            self.threads[-1].start()

    def pixels(self, number: int) -> npt.NDArray[np.uint8]:
        """Return the pixels that came for an image, as they lie in it."""
        keyword = next(keyword for keyword in _IMAGES.values() if keyword in self.images[number])
        (image,) = self.images[number][keyword].value
        assert (image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation) == (8, 8, 7, 0)
        shape = (image.Rows, image.Columns, *((3,) if image.SamplesPerPixel == 3 else ()))
        assert len(image.PixelData) == int(np.prod(shape)) + int(np.prod(shape)) % 2
        return np.frombuffer(image.PixelData, np.uint8, int(np.prod(shape))).reshape(shape)

    def _refused(self, what: str, sop_class: str, event: evt.Event) -> int:
        self.asked.append((what, sop_class))
        act = self._on.get((what, sop_class))
        return act(event.assoc) if act is not None else 0


def tells(outcome: int) -> Callable[[Printer, Any], None]:
    """Say of each print job that it is being printed, and what became of it."""

    def tell(made: Printer, association: Any) -> None:
        for job in made.jobs:
            for kind in (2, outcome):
                association.send_n_event_report(item(PrinterName="demo"), kind, uids.PRINT_JOB, job)

    return tell


def refuses(status: int) -> Act:
    """Answer with a status."""
    return lambda _: status


DONE: Final = tells(3)


def aborts(association: Any) -> int:
    """Abort the association."""
    association.abort()
    return 0


def closes(association: Any) -> int:
    """Close the connection without a word."""
    association.dul.socket.close()
    return 0


@contextmanager
def printer(
    on: dict[tuple[str, str], Act] | None = None,
    offered: Sequence[str] = (GREY, COLOUR, uids.PRINT_JOB),
    last: Callable[[Printer, Any], object] = DONE,
) -> Iterator[tuple[Printer, RemoteNode]]:
    """Serve as a printer, whose jobs are done where nothing else is asked for."""
    made, ae = Printer(on or {}, last), AE(TITLE)
    for uid in offered:
        ae.add_supported_context(uid, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    node = RemoteNode(TITLE, "127.0.0.1", free_port())
    handlers: Any = [
        (evt.EVT_N_CREATE, made.create),
        (evt.EVT_N_SET, made.change),
        (evt.EVT_N_ACTION, made.act),
        (evt.EVT_N_DELETE, made.delete),
        (evt.EVT_PDU_SENT, made.sent),
    ]
    server: Any = ae.start_server((node.host, node.port), block=False, evt_handlers=handlers)
    try:
        yield made, node
    finally:
        for thread in made.threads:
            thread.join(30)
        server.shutdown()
