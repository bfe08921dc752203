"""A file looked up against rules, as if it came: for whoever writes them."""

import time
from collections.abc import Sequence
from pathlib import Path

from archimage.dicom.part10 import decode_file_meta
from archimage.dicom.scan import HeaderScanner
from archimage.errors import InvalidFileError
from archimage.model.routing import Rule, Subject, Verdict
from archimage.services.routing_rules import INSTANCES, MODALITIES, header_values, judge, study_values
from archimage.services.sources import NOT_AN_OBJECT

_HEAD_BYTES = 65_536


def judge_file(
    rules: Sequence[Rule], path: Path, source: str, at: float | None = None, called: str = ""
) -> list[Verdict]:
    """Say what each rule makes of a file from a sender, at a time in seconds since 1970; now, if none is given.

    called is the AE title by which the sender calls this archive.

    Raises:
        DicomError: it is no DICOM file, or broken.
        InvalidFileError: it cannot be read.
    """
    paths = frozenset().union(*(rule.paths for rule in rules)) - {MODALITIES, INSTANCES}
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            if head[128:132] != b"DICM":
                raise InvalidFileError(f"{path}: {NOT_AN_OBJECT}")
            meta, offset = decode_file_meta(head)
            modality = 0x00080060
            scanner = HeaderScanner(meta.transfer_syntax_uid, paths | {modality})
            piece = head[offset:]
            while piece and not scanner.header_seen:
                scanner.feed(piece)
                piece = file.read(_HEAD_BYTES)
    except OSError as error:
        raise InvalidFileError(f"{path} cannot be read: {error.strerror}") from None
    header = scanner.header
    values = header_values(header, paths) | study_values([header.text(modality) or ""])
    subject = Subject(values, source, time.time() if at is None else at, called)
    return [judge(rule, subject) for rule in rules]
