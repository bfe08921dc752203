"""What the soak stores: images that can be made again from two numbers, and the shelf of studies that are there.

An archive that is only filled would fill the disk, and would rightly grow. So there are always about as many studies:
the oldest is looked at, every byte of it, and removed when a new one is complete. They take 330 MB of disk.
"""

import random
import struct
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from archimage.dicom.encode import Element, encode_elements
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from bench import wire
from bench.data import CT

STUDY_SIZE: Final = 16
KEPT: Final = 150
_READ: Final = 50
"""The newest studies, which are read; none of them is the next to go."""
_ROOT: Final = "1.2.826.0.1.3680043.8.501"
_EDGES: Final = (64, 64, 64, 512)
"""Three of four images go through the ingest journal, one has a file of its own from the beginning."""
_NOISE: Final = struct.pack("<262144H", *(random.Random(1).randrange(4096) for _ in range(512 * 512)))  # noqa: S311
_PIXEL_DATA: Final = b"\xe0\x7f\x10\x00OW\0\0"


def _fragments(pixels: bytes) -> bytes:
    return b"".join(wire.p_data(1, pixels, is_command=False))


_PIXELS: Final = {edge: _NOISE[: 2 * edge * edge] for edge in _EDGES}
_ENCODED: Final = {edge: _fragments(pixels) for edge, pixels in _PIXELS.items()}
"""The same for every image of a size, so that sending costs the machine next to nothing."""


@dataclass(frozen=True)
class Image:
    """One image of a study."""

    study: "Study"
    number: int

    @property
    def uid(self) -> str:
        """SOP Instance UID."""
        return f"{self.study.series_uid}.{self.number + 1}"

    @property
    def edge(self) -> int:
        """Rows, and columns."""
        return _EDGES[self.number % len(_EDGES)]

    @property
    def pixels(self) -> bytes:
        """Value of Pixel Data."""
        return _PIXELS[self.edge]

    @cached_property
    def head(self) -> bytes:
        """The data set up to the value of Pixel Data."""
        elements: list[Element] = [
            (0x00080016, "UI", CT.encode()),
            (0x00080018, "UI", self.uid.encode()),
            (0x00080020, "DA", b"20240102"),
            (0x00080060, "CS", b"CT"),
            (0x00100010, "PN", f"Demo^Soak{self.study.number}".encode()),
            (0x00100020, "LO", self.study.patient_id.encode()),
            (0x0020000D, "UI", self.study.uid.encode()),
            (0x0020000E, "UI", self.study.series_uid.encode()),
            (0x00200013, "IS", str(self.number + 1).encode()),
            (0x00280002, "US", struct.pack("<H", 1)),
            (0x00280004, "CS", b"MONOCHROME2"),
            (0x00280010, "US", struct.pack("<H", self.edge)),
            (0x00280011, "US", struct.pack("<H", self.edge)),
            (0x00280100, "US", struct.pack("<H", 16)),
            (0x00280101, "US", struct.pack("<H", 12)),
            (0x00280102, "US", struct.pack("<H", 11)),
            (0x00280103, "US", struct.pack("<H", 0)),
        ]
        length = len(self.pixels).to_bytes(4, "little")
        return encode_elements(elements, EXPLICIT_VR_LITTLE_ENDIAN) + _PIXEL_DATA + length

    def message(self) -> list[bytes]:
        """Return its C-STORE request on context 1, in pieces."""
        command = b"".join(wire.p_data(1, wire.store_request(CT, self.uid), is_command=True))
        head = wire.pdu(wire.P_DATA, struct.pack(">LBB", len(self.head) + 2, 1, 0) + self.head)
        return [command, head, _ENCODED[self.edge]]


@dataclass(eq=False)
class Study:
    """One study, of one series of a patient of its own."""

    number: int
    acknowledged: list[Image] = field(default_factory=list)
    readers: int = 0

    @property
    def uid(self) -> str:
        """Study Instance UID."""
        return f"{_ROOT}.{self.number}"

    @property
    def series_uid(self) -> str:
        """UID of its series."""
        return f"{self.uid}.1"

    @property
    def patient_id(self) -> str:
        """Patient ID."""
        return f"SOAK{self.number}"

    def not_in(self, body: bytes) -> list[str]:
        """Name the acknowledged images that do not stand, whole, in the answer to a retrieval of it all."""
        missing, at = [], 0
        for image in self.acknowledged:
            found = body.find(image.head, at)  # they come in this order, so there is little to search
            start = (found if found >= 0 else body.find(image.head)) + len(image.head)
            if start < len(image.head) or body[start : start + len(image.pixels)] != image.pixels:
                missing.append(image.uid)
            at = max(at, start)
        return missing


class Shelf:
    """The studies that were acknowledged whole, the oldest first."""

    def __init__(self) -> None:
        self._studies: deque[Study] = deque()
        self._begun = 0
        self._lock = threading.Lock()
        self._random = random.Random(1)  # noqa: S311 - which study is read

    def begin(self) -> Study:
        """Begin a new study."""
        with self._lock:
            self._begun += 1
            return Study(self._begun)

    def put(self, study: Study) -> None:
        """Take a complete study."""
        with self._lock:
            self._studies.append(study)

    @contextmanager
    def lent(self) -> Iterator[Study]:
        """Lend one of the newest studies, which is not removed meanwhile; IndexError where there is none."""
        with self._lock:
            study = self._studies[-1 - self._random.randrange(min(_READ, len(self._studies)))]
            study.readers += 1
        try:
            yield study
        finally:
            with self._lock:
                study.readers -= 1

    def take_oldest(self) -> Study | None:
        """Hand out the oldest study where there are more than are kept; None where there are not, or it is read."""
        with self._lock:
            if len(self._studies) <= KEPT or self._studies[0].readers:
                return None
            return self._studies.popleft()

    def take_all(self) -> list[Study]:
        """Hand out all that is left."""
        with self._lock:
            left, self._studies = list(self._studies), deque()
            return left
