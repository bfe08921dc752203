"""pynetdicom as a modality that prints, and what is needed to look at the films."""

import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import numpy.typing as npt
import orjson
import pytest
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association

from archimage.net.conversation import RemoteNode
from archimage.protocol import uids

GREY = uids.BASIC_GRAYSCALE_PRINT_MANAGEMENT_META
COLOUR = uids.BASIC_COLOR_PRINT_MANAGEMENT_META
SESSION_UID, FILM_UID = "2.25.1", "2.25.2"
_STREAM = re.compile(rb"<<(.*?)>>\s*stream\r?\n(.*?)\r?\nendstream", re.DOTALL)

Pixels = npt.NDArray[np.uint8]


def item(**values: Any) -> Dataset:
    """Make a data set of keywords and values."""
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def image(pixels: npt.NDArray[Any], bits: int = 8, **more: Any) -> Dataset:
    """Make the item of an image sequence, of (rows, columns) or (rows, columns, 3)."""
    colour = pixels.ndim == 3
    ds = item(
        SamplesPerPixel=3 if colour else 1,
        PhotometricInterpretation="RGB" if colour else "MONOCHROME2",
        Rows=pixels.shape[0],
        Columns=pixels.shape[1],
        BitsAllocated=8 if bits == 8 else 16,
        BitsStored=bits,
        HighBit=bits - 1,
        PixelRepresentation=0,
    )
    if colour:
        ds.PlanarConfiguration = 0
    for keyword, value in more.items():
        setattr(ds, keyword, value)
    raw = pixels.tobytes()
    ds.PixelData = raw + b"\0" * (len(raw) % 2)
    ds["PixelData"].VR = "OW"
    return ds


class Modality:
    """Prints over one association."""

    def __init__(self, association: Association, context: str) -> None:
        self.association = association
        self.context = context
        self.reports: list[tuple[int, Dataset]] = []

    def create(
        self, sop_class: str, uid: str | None, ds: Dataset | None, context: str = ""
    ) -> tuple[int, Dataset | None]:
        """Make an instance."""
        status, told = self.association.send_n_create(ds, sop_class, uid, meta_uid=self._meta(context))
        return status.Status, told

    def change(self, sop_class: str, uid: str, ds: Dataset, context: str = "") -> int:
        """Change an instance."""
        status, _ = self.association.send_n_set(ds, sop_class, uid, meta_uid=self._meta(context))
        return int(status.Status)

    def act(self, sop_class: str, uid: str, action: int = 1) -> tuple[int, Dataset | None]:
        """Print."""
        status, told = self.association.send_n_action(None, action, sop_class, uid, meta_uid=self.context)
        return status.Status, told

    def delete(self, sop_class: str, uid: str, context: str = "") -> int:
        """Delete an instance."""
        return int(self.association.send_n_delete(sop_class, uid, meta_uid=self._meta(context)).Status)

    def get(self, sop_class: str, uid: str, tags: list[int], context: str = "") -> tuple[int, Dataset | None]:
        """Ask for attributes."""
        status, told = self.association.send_n_get(
            [Tag(tag) for tag in tags], sop_class, uid, meta_uid=self._meta(context)
        )
        return status.Status, told

    def begin(self, **values: Any) -> int:
        """Make the film session."""
        return self.create(uids.BASIC_FILM_SESSION, SESSION_UID, item(**values) if values else None)[0]

    def film(self, display_format: str = r"STANDARD\1,1", **more: Any) -> tuple[int, list[str]]:
        """Make a film box; return the status, and the image boxes."""
        status, told = self.create(uids.BASIC_FILM_BOX, FILM_UID, film_box(display_format, **more))
        boxes = told.ReferencedImageBoxSequence if told is not None else []
        return status, [box.ReferencedSOPInstanceUID for box in boxes]

    def put(self, box: str, position: int, picture: Dataset | None, **more: Any) -> int:
        """Bring an image into its box."""
        colour = self.context == COLOUR
        keyword = "BasicColorImageSequence" if colour else "BasicGrayscaleImageSequence"
        found = [] if picture is None else [picture]
        ds = item(ImageBoxPosition=position, **{keyword: found}, **more)
        return self.change(uids.BASIC_COLOR_IMAGE_BOX if colour else uids.BASIC_GRAYSCALE_IMAGE_BOX, box, ds)

    def print(self, uid: str = FILM_UID) -> tuple[int, str]:
        """Print the film box; return the status, and the UID of the job."""
        status, told = self.act(uids.BASIC_FILM_BOX, uid)
        return status, told.ReferencedPrintJobSequencePullStoredPrint[0].ReferencedSOPInstanceUID if told else ""

    def _meta(self, context: str) -> str | None:
        return None if context == "own" else context or self.context


def film_box(display_format: str, **more: Any) -> Dataset:
    """Return the attributes of a film box."""
    session = item(ReferencedSOPClassUID=uids.BASIC_FILM_SESSION, ReferencedSOPInstanceUID=SESSION_UID)
    values: dict[str, Any] = {"FilmSizeID": "8INX10IN", "ReferencedFilmSessionSequence": [session]}
    return item(ImageDisplayFormat=display_format, **values | more)


@contextmanager
def modality(node: RemoteNode, context: str = GREY, *, watched: bool = True) -> Iterator[Modality]:
    """Associate as a modality that prints; watched proposes the print job SOP class too."""
    ae = AE("MODALITY")
    more = (uids.PRESENTATION_LUT, uids.BASIC_ANNOTATION_BOX, uids.PRINTER, *((uids.PRINT_JOB,) if watched else ()))
    for uid in (context, *more):
        ae.add_requested_context(uid, ExplicitVRLittleEndian)
    found: list[Modality] = []

    def heard(event: evt.Event) -> tuple[int, None]:
        found[0].reports.append((event.event_type or 0, event.event_information))
        return 0x0000, None

    association = ae.associate(
        node.host, node.port, ae_title=node.ae_title, evt_handlers=[(evt.EVT_N_EVENT_REPORT, heard)]
    )
    assert association.is_established
    found.append(Modality(association, context))
    try:
        yield found[0]
    finally:
        if association.is_established:
            association.release()


class Films:
    """The management API of a server, as far as it prints."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/api/v1/print/jobs"

    def jobs(self) -> list[dict[str, Any]]:
        """List the print jobs."""
        found: list[dict[str, Any]] = orjson.loads(self._get(""))
        return found

    def job(self, uid: str) -> dict[str, Any]:
        """Return a print job."""
        found: dict[str, Any] = orjson.loads(self._get(f"/{uid}"))
        return found

    def pdf(self, uid: str) -> bytes:
        """Return a print job's films as PDF."""
        return self._get(f"/{uid}/pdf")

    def png(self, uid: str, number: int = 1) -> bytes:
        """Return a film as PNG."""
        return self._get(f"/{uid}/films/{number}/png")

    def post(self, uid: str, deed: str) -> dict[str, Any]:
        """Do something with a print job."""
        request = Request(f"{self._url}/{uid}/{deed}", method="POST")  # noqa: S310 - ours
        with urlopen(request, timeout=20) as answer:  # noqa: S310
            found: dict[str, Any] = orjson.loads(answer.read())
            return found

    def refusal(self, uid: str, deed: str) -> int:
        """Return the status with which something is refused."""
        with pytest.raises(HTTPError) as refused:
            self.post(uid, deed)
        refused.value.close()
        return refused.value.code

    def remove(self, uid: str) -> None:
        """Forget a print job."""
        urlopen(Request(f"{self._url}/{uid}", method="DELETE"), timeout=20).close()  # noqa: S310 - ours

    def _get(self, path: str) -> bytes:
        with urlopen(self._url + path, timeout=20) as answer:  # noqa: S310
            data: bytes = answer.read()
            return data


def pdf_pictures(pdf: bytes) -> list[Pixels]:
    """Return the pixels of the pictures in a PDF, read from its objects by themselves."""
    found = []
    for head, stream in _STREAM.findall(pdf):
        if b"/Image" in head:
            width, height = (int(re.search(rb"/%s (\d+)" % name, head)[1]) for name in (b"Width", b"Height"))  # type: ignore[index]
            shape = (height, width, 3) if b"DeviceRGB" in head else (height, width)
            found.append(np.frombuffer(zlib.decompress(stream), np.uint8).reshape(shape))
    return found
