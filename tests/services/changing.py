"""An archive whose patients and studies can be corrected, merged and moved, and what its index says row by row."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import pydicom

from archimage.dicom.encode import encode_elements
from archimage.dicom.layout import DEFLATED_SYNTAXES
from archimage.dicom.part10 import FileMeta, decode_file_meta, encode_file_meta
from archimage.dicom.reencode import elements_at, reencode
from archimage.index.changes import ChangeTable
from archimage.index.schema import COLUMNS
from archimage.model.attributes import Level
from archimage.model.changes import Asker, ChangeKind, ChangeRequest, ChangeTrail, PatientRef
from archimage.services.change_plans import Planner
from archimage.services.change_work import Tools
from archimage.services.changes import ChangeService
from archimage.services.corrector import Corrector
from archimage.services.events import EventHub
from archimage.services.frames import FrameService
from archimage.services.removal import RemovalService
from archimage.services.replacement import ReplacementService
from archimage.services.store import Expected
from archimage.services.tasks import TaskService
from archimage.storage.lanes import Turn
from archimage.web.errors import explain
from tests.attacks.server import wait_until
from tests.attacks.wire import CT
from tests.services.parts import Parts

ASKER: Final = Asker("192.0.2.9", "a test")
_ROWS: Final = f"""
    SELECT {", ".join(f"patient.{name}" for name in (*COLUMNS[Level.PATIENT], "lone_study"))},
    {", ".join(f"study.{name}" for name in COLUMNS[Level.STUDY])},
    {", ".join(f"series.{name}" for name in COLUMNS[Level.SERIES])},
    {", ".join(f"instance.{name}" for name in COLUMNS[Level.IMAGE])}, instance.transfer_syntax_uid
    FROM instance JOIN series ON series.pk = series_pk JOIN study ON study.pk = study_pk
    JOIN patient ON patient.pk = patient_pk ORDER BY sop_instance_uid
"""  # noqa: S608 - names of our own
_OTHERS: Final = (
    "SELECT kind, key, name FROM name_key ORDER BY 1, 2, 3",
    "SELECT (SELECT count(*) FROM patient), (SELECT count(*) FROM study), (SELECT count(*) FROM series)",
    "SELECT series_instance_uid, sop_class_uid, instances FROM series_content JOIN series ON pk = series_pk ORDER BY 1",
)


Start = Callable[..., "Changing"]


@dataclass
class Changing:
    """An archive, and what changes it."""

    parts: Parts
    table: ChangeTable
    service: ChangeService
    tasks: TaskService
    replacement: ReplacementService
    tools: Tools

    def do(self, request: ChangeRequest) -> ChangeTrail:
        """Have something changed, and wait for the end."""
        number = self.service.begin(request, ASKER).change.number
        assert self.ended(number)
        return self.service.get(number)

    def ended(self, number: int) -> bool:
        """Wait until nobody is at work on a change."""
        return wait_until(lambda: all(task.state.ended for task in self.tasks.list()), 20) and number > 0


def changing(held: ExitStack, parts: Parts, *, readers_s: float = 0.0) -> Changing:
    """Make what changes an archive; held ends it."""
    frames, table = FrameService(parts.index, parts.blobs), ChangeTable(parts.index)
    removal = RemovalService(parts.index, parts.blobs, parts.derived, lambda: iter(()))
    removal.resume()  # as every start does
    replacement = held.enter_context(closing(ReplacementService(parts.intake, removal, readers_s=readers_s)))
    corrector = Corrector(frames, parts.blobs, flush=True)
    tasks = TaskService(EventHub(), explain)
    held.callback(tasks.close)

    def take() -> Turn | None:
        return Turn.take(parts.directory / "changing.lock")

    tools = Tools(table, parts.index, frames, corrector, replacement, "PACS_SCP")
    service = ChangeService(tools, Planner(table, frames), tasks, take, explain)
    held.callback(service.close)
    return Changing(parts, table, service, tasks, replacement, tools)


def correct(ref: PatientRef, **values: str) -> ChangeRequest:
    """Ask for the correction of a patient."""
    return ChangeRequest(ChangeKind.CORRECT_PATIENT, ref, attributes=values, reason="typing error")


def store(parts: Parts, data: bytes, syntax: str, source: str = "SENDER") -> str:
    """Store a data set as a peer does; return its SOP Instance UID."""
    dataset = parsed(data, syntax)
    uid = str(dataset.SOPInstanceUID)
    parts.service.store(Expected(syntax, str(dataset.SOPClassUID), uid, source), [data])
    return uid


def with_uids(data: bytes, syntax: str) -> bytes:
    """Complete a real object that names no study or series, as those of test suites do."""
    if syntax in DEFLATED_SYNTAXES:
        return data
    there = elements_at(data, syntax, {0x0020000D, 0x0020000E})
    uids = {0x0020000D: b"1.2.3.9", 0x0020000E: b"1.2.3.9.1"}
    missing = {tag: encode_elements([(tag, "UI", uid)], syntax) for tag, uid in uids.items() if tag not in there}
    return reencode(data, syntax, syntax, replaced=missing)


def parsed(data: bytes, syntax: str) -> pydicom.Dataset:
    """Read a data set as pydicom does."""
    meta = FileMeta(CT, "1.2.3", syntax)
    return pydicom.dcmread(BytesIO(encode_file_meta(meta) + data))


def kept(parts: Parts, uid: str) -> pydicom.Dataset:
    """Read what is kept of an instance, with pydicom."""
    stored = parts.index.lookup(uid)
    assert stored is not None
    with parts.blobs.open(stored.path) as reader:
        data = reader.read(0, reader.size_bytes)
    assert decode_file_meta(data)[0].transfer_syntax_uid == stored.transfer_syntax_uid
    return pydicom.dcmread(BytesIO(data))


def rows(parts: Parts) -> list[Any]:
    """Return all that the index says of what is kept, but for files and keys."""
    return [[tuple(row) for row in parts.index.fetch(statement, {})] for statement in (_ROWS, *_OTHERS)]


def received_fresh(parts: Parts, other: Parts) -> list[Any]:
    """Send all that is kept to another archive, in the order in which it came; return what the index there says."""
    order = "SELECT sop_instance_uid, transfer_syntax_uid FROM instance ORDER BY received_at, pk"
    arrived: Sequence[Any] = parts.index.fetch(order, {})
    for uid, syntax in arrived:
        data = parts.kept(uid)
        assert data is not None
        store(other, data, syntax)
    return rows(other)
