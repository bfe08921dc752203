"""What is told of the printer and of print jobs.

Ref: PS3.3 §C.13.8, §C.13.9; PS3.4 §H.4.5, §H.4.6.
"""

from datetime import datetime
from typing import Final

from archimage import __version__
from archimage.model.printing import JobState, PrintJob
from archimage.services.datasets import Model, attribute, made

_STATUSES: Final = {
    JobState.PENDING: "PENDING",
    JobState.PRINTING: "PRINTING",
    JobState.DONE: "DONE",
    JobState.FAILED: "FAILURE",
    JobState.CANCELLED: "FAILURE",
}
_PRINTER_INFO: Final = 0x21100020
_PRINTER_NAME: Final = 0x21100030
_STATUS_INFO: Final = 0x21000030


def printer(name: str, fault: str) -> Model:
    """Return the attributes of the printer; fault says what it lacks, empty where it works."""
    return made(
        attribute(0x21100010, "FAILURE" if fault else "NORMAL"),
        attribute(_PRINTER_INFO, "CHECK PRINTER" if fault else "NORMAL"),
        attribute(_PRINTER_NAME, name),
        attribute(0x00080070, "archimage"),
        attribute(0x00081090, "archimage"),
        attribute(0x00181000, "1"),
        attribute(0x00181020, __version__),
    )


def printer_event(name: str, fault: str) -> Model:
    """Return what an N-EVENT-REPORT tells of the printer."""
    told = printer(name, fault)
    return {f"{tag:08X}": told[f"{tag:08X}"] for tag in (_PRINTER_INFO, _PRINTER_NAME)}


def job(about: PrintJob) -> Model:
    """Return the attributes of a print job."""
    at = datetime.fromtimestamp(about.created_at).astimezone()
    return made(
        attribute(0x21000020, _STATUSES[about.state]),
        attribute(_STATUS_INFO, _info(about)),
        attribute(0x21000040, f"{at:%Y%m%d}"),
        attribute(0x21000050, f"{at:%H%M%S}"),
        attribute(0x20000020, about.priority),
        attribute(_PRINTER_NAME, about.printer),
        attribute(0x21000070, about.originator),
    )


def event(about: PrintJob) -> Model:
    """Return what an N-EVENT-REPORT tells of a job."""
    return made(
        attribute(_STATUS_INFO, _info(about)),
        attribute(0x20000050, about.label),
        attribute(_PRINTER_NAME, about.printer),
    )


def _info(about: PrintJob) -> str:
    """Return the execution status info (PS3.3 §C.13.9.1)."""
    return {JobState.FAILED: "CHECK PRINTER", JobState.CANCELLED: "QUEUED"}.get(about.state, "NORMAL")
