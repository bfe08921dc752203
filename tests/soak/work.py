"""What the clients of the soak do, one thing at a time, each over connections of its own."""

import gzip
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from http.client import HTTPConnection
from typing import Final

from bench import queries, web, wire
from bench.data import CT
from bench.process import Running
from tests.soak.images import STUDY_SIZE, Image, Shelf, Study

OBJECTS: Final = web.multipart("application/dicom")
_FRAME: Final = web.multipart("application/octet-stream")


class Client:
    """One client, for one thread. Whatever is not as it should be raises WireError or OSError."""

    def __init__(self, server: Running, shelf: Shelf) -> None:
        self._server = server
        self._shelf = shelf
        self._storing = wire.Channel.open(server.port, server.ae_title, (wire.Context(CT),))
        self._finding = wire.Channel.open(server.port, server.ae_title, (queries.find_context(),))
        self._web = web.Connection(server)
        self._study = shelf.begin()
        self._sent = 0
        self._retrievals = 0
        self.lost: list[str] = []
        self.checked = 0
        self.work: Mapping[str, Callable[[], None]] = {
            "store": self._store,
            "find": self._find,
            "get": self._get,
            "qido": self._qido,
            "wado": self._wado,
        }

    def close(self) -> Study:
        """Release the associations; return the study that is not complete."""
        for channel in (self._storing, self._finding):
            with suppress(OSError, wire.WireError):
                channel.release()
        self._web.close()
        return self._study

    def tidy(self) -> None:
        """Look at the oldest studies where there are more than are kept, every byte of them, and remove them."""
        while study := self._shelf.take_oldest():
            self.check(study)
            self._remove(study)

    def check(self, study: Study) -> None:
        """Retrieve a study and note which of its acknowledged images are lost."""
        answer = self._web.get(f"studies/{study.uid}", OBJECTS, keep=True)
        self.lost += study.not_in(answer.body if answer.status == 200 else b"")
        self.checked += len(study.acknowledged)

    def _remove(self, study: Study) -> None:
        with closing(HTTPConnection("127.0.0.1", self._server.http_port, timeout=wire.TIMEOUT_S)) as connection:
            connection.request("DELETE", f"{web.ROOT}studies/{study.uid}")
            status = connection.getresponse().status
        if status not in {200, 204}:
            raise wire.WireError(f"the removal of a study was answered {status}")

    def _store(self) -> None:
        """C-STORE an image."""
        image = Image(self._study, self._sent)
        self._sent += 1
        self._storing.sock.sendall(b"".join(image.message()))
        if status := self._storing.read_status():
            raise wire.WireError(f"C-STORE answered {status:#06x}")
        self._study.acknowledged.append(image)
        if self._sent == STUDY_SIZE:
            self._shelf.put(self._study)
            self._study, self._sent = self._shelf.begin(), 0

    def _find(self) -> None:
        """C-FIND a study."""
        with self._shelf.lent() as study:
            keys = ((0x0010, 0x0020, study.patient_id), (0x0020, 0x000D, ""), (0x0008, 0x0020, ""))
            found = queries.find(self._finding, queries.identifier("STUDY", keys)).count
        if found != 1:
            raise wire.WireError(f"C-FIND found {found} studies")

    def _get(self) -> None:
        """C-GET a study, over an association of its own."""
        with self._shelf.lent() as study:
            came = queries.get(self._server, study.patient_id, CT).count
            if came != len(study.acknowledged):
                raise wire.WireError(f"C-GET brought {came} of {len(study.acknowledged)} images")

    def _qido(self) -> None:
        """Search over DICOMweb."""
        with self._shelf.lent() as study:
            answer = self._web.get(f"studies?PatientID={study.patient_id}", web.JSON, keep=True).require()
            if study.uid.encode() not in _inflated(answer):
                raise wire.WireError(f"QIDO-RS did not find {study.uid}")

    def _wado(self) -> None:
        """Retrieve over DICOMweb: an object, a frame, metadata and a picture in turn."""
        self._retrievals += 1
        with self._shelf.lent() as study:
            image = study.acknowledged[self._retrievals % len(study.acknowledged)]
            series = f"studies/{study.uid}/series/{study.series_uid}"
            path, accept, length = (
                ("", OBJECTS, len(image.pixels)),
                ("/frames/1", _FRAME, len(image.pixels)),
                ("/rendered", "image/jpeg", 100),
                ("/metadata", web.JSON, 100),
            )[self._retrievals // 4 % 4]
            self._web.get(f"{series}/instances/{image.uid}{path}", accept).require(length)


def _inflated(answer: web.Answer) -> bytes:
    return gzip.decompress(answer.body) if answer.headers.get("content-encoding") == "gzip" else answer.body
