"""Faces in the series of some objects: what of their pixels has to be removed, found once for each series.

A series is decoded in worker processes, slice by slice, and looked at as a whole there (`dicom.deidentify.faces`).
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from threading import Lock
from typing import Any, Final

from archimage.dicom.deidentify.coarse import factors
from archimage.dicom.deidentify.placement import Slice, check_volume
from archimage.dicom.deidentify.shell import Shell
from archimage.dicom.encode import decode_identifier
from archimage.dicom.limits import DEFAULT_LIMITS
from archimage.dicom.reencode import plain_syntax
from archimage.errors import ArchimageError, NotAcceptableError
from archimage.model.records import StoredInstance
from archimage.ports.pixels import JsonValue, PixelWork
from archimage.services.frames import FrameService

_FRAMES_IN_FLIGHT: Final = 8
_MOST_SLICES: Final = 2_000

Result = Future[tuple[dict[str, Any], bytes]]
Placed = tuple[StoredInstance, Slice]


class Faces:
    """Knows the faces of the series that some objects belong to; may be asked by several threads.

    The objects have to be all of their series: of a part of one a face may be told in the wrong place.
    """

    def __init__(self, frames: FrameService, work: PixelWork, instances: Iterable[StoredInstance]) -> None:
        self._frames = frames
        self._work = work
        self._instances = list(instances)
        self._slices: dict[str, Slice | ArchimageError] = {}
        self._series: defaultdict[str, list[Placed]] = defaultdict(list)
        self._found: dict[str, Shell | ArchimageError] = {}
        self._lock = Lock()

    def of(self, instance: StoredInstance) -> Shell:
        """Return what has to be removed of an object's series.

        Raises:
            NotAcceptableError: it cannot be told, or it is no such object; the message says why.
            ArchimageError: what reading the series raises.
        """
        with self._lock:
            self._look()
            one = self._slices.get(instance.sop_instance_uid, NotAcceptableError("its series was not looked at"))
            if isinstance(one, ArchimageError):
                raise one
            uid = one.series_instance_uid
            if uid not in self._found:
                self._found[uid] = self._search(self._series[uid])
            found = self._found[uid]
        if isinstance(found, ArchimageError):
            raise found
        return found

    def _look(self) -> None:
        """Read the headers, once; of different objects under one UID none is known."""
        while self._instances:
            instance = self._instances.pop()
            uid, one = instance.sop_instance_uid, self._slice(instance)
            if uid not in self._slices and isinstance(one, Slice):
                self._series[one.series_instance_uid].append((instance, one))
            elif (known := self._slices.get(uid, one)) != one:
                alike = (other.series_instance_uid for other in (known, one) if isinstance(other, Slice))
                one = NotAcceptableError("different objects have its SOP Instance UID")
                self._found |= dict.fromkeys(alike, one)
            self._slices[uid] = one

    def _slice(self, instance: StoredInstance) -> Slice | ArchimageError:
        try:
            header = decode_identifier(
                self._frames.header(instance), plain_syntax(instance.transfer_syntax_uid), DEFAULT_LIMITS
            )
            pixel = self._frames.pixel(instance)
            return Slice.of(header, None if pixel is None else (pixel.tag, pixel.vr))
        except ArchimageError as error:
            return error

    def _search(self, series: Sequence[Placed]) -> Shell | ArchimageError:
        try:
            return self._shell(series)
        except ArchimageError as error:
            return error

    def _shell(self, series: Sequence[Placed]) -> Shell:
        if len(series) > _MOST_SLICES:
            raise NotAcceptableError(f"its series has more than {_MOST_SLICES} slices")
        ordered = [series[number] for number in check_volume([one for _, one in series])]
        first = ordered[0][1]
        by = factors(first.placement)
        answers = list(self._coarse(ordered, by))
        options: dict[str, JsonValue] = {
            "shape": answers[0][0]["shape"],
            "by": list(by),
            "placements": [one.placement.to_json() for _, one in ordered],
            "body_part": first.body_part,
            "ct": first.ct,
        }
        answer, _ = self._work.submit("find_face", options, [cells for _, cells in answers]).result()
        if "refused" in answer:
            raise NotAcceptableError(answer["refused"])
        return Shell.from_json(answer["shell"])

    def _coarse(self, ordered: Sequence[Placed], by: tuple[int, int]) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Yield the slices, coarse, in their order."""
        waiting: deque[Result] = deque()
        try:
            for instance, one in ordered:
                if len(waiting) == _FRAMES_IN_FLIGHT:
                    yield waiting.popleft().result()
                frame = self._frames.frame(instance, 1)
                options: dict[str, JsonValue] = {
                    "syntax": frame.transfer_syntax_uid,
                    "description": one.description.to_json(),
                    "rescale": list(one.rescale),
                    "by": list(by),
                }
                size = one.description.frame_bytes
                waiting.append(self._work.submit("coarsen", options, [frame.data], native_bytes=size))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
