"""Keys of queries to other nodes: from names and values to an identifier, and from a response to text.

Ref: PS3.4 §C.4.1.1.3, §C.6.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from archimage.dicom.encode import decode_identifier, encode_dataset
from archimage.errors import DicomError, InvalidQueryError

_FIRST_GROUP: Final = 0x0008
_TAG: Final = re.compile(r"\(?([0-9A-Fa-f]{4}),([0-9A-Fa-f]{4})\)?")

SHOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "PATIENT": ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "NumberOfPatientRelatedStudies"),
    "STUDY": (
        "StudyInstanceUID",
        "PatientID",
        "PatientName",
        "StudyDate",
        "ModalitiesInStudy",
        "StudyDescription",
        "AccessionNumber",
        "NumberOfStudyRelatedInstances",
    ),
    "SERIES": ("SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription", "NumberOfSeriesRelatedInstances"),
    "IMAGE": ("SOPInstanceUID", "SOPClassUID", "InstanceNumber"),
}
"""Asked for at each level, whatever else is."""


def encode_keys(level: str, keys: Iterable[tuple[str, str]], transfer_syntax_uid: str) -> bytes:
    """Encode the identifier of a query; a key is a keyword, a tag `gggg,eeee` or a path, an empty value is asked for.

    The worklist has no level: it is empty then.

    Raises:
        InvalidQueryError: a key is no attribute, or its value does not fit it; the message names it.
    """
    from archimage.dicom.paths import set_path  # with pydicom, which a server needs seldom

    ds = decode_identifier(b"", transfer_syntax_uid)
    if level:
        ds.QueryRetrieveLevel = level
    for name, value in keys:
        try:
            set_path(ds, _TAG.sub(r"(\1,\2)", name.strip()), value)
        except (DicomError, TypeError, ValueError) as error:
            raise _wrong(name, error) from None
        if not value.isascii():
            ds.SpecificCharacterSet = "ISO_IR 192"
    if any(tag.group < _FIRST_GROUP for tag in tuple(ds.keys())):
        raise InvalidQueryError("elements of a group below 0008 are no keys")
    try:
        return encode_dataset(ds, transfer_syntax_uid)
    except DicomError as error:
        raise _wrong("keys", error) from None


def _wrong(name: str, error: Exception) -> InvalidQueryError:
    """Return the error of a key, with the first line of what the parser says."""
    return InvalidQueryError(f"{name[:80]}: {str(error).partition(chr(10))[0]}")


def decode_keys(identifier: bytes, transfer_syntax_uid: str) -> dict[str, object]:
    """Decode a response's identifier into keyword (or `ggggeeee`) to text, list of texts, or list of the same.

    What cannot be read of it is left out.

    Raises:
        DicomError: it is no data set.
    """
    return _plain(decode_identifier(identifier, transfer_syntax_uid))


def _plain(ds: Any) -> dict[str, object]:
    found: dict[str, object] = {}
    for tag in sorted(ds.keys()):
        try:
            element = ds[tag]
            found[element.keyword or f"{int(tag):08X}"] = _value(element)
        except Exception:  # noqa: S112 - a value that no parser takes raises whatever there is
            continue
    return found


def _value(element: Any) -> object:
    if element.VR == "SQ":
        return [_plain(item) for item in element.value]
    if element.VM > 1:
        return [str(part) for part in element.value]
    return "" if element.value is None else str(element.value)
