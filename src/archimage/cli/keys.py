"""Keys of find, move and get: from the command line to an identifier, and from a response to text."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from archimage.errors import ConfigError, DicomError

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


def check_level(level: str) -> str:
    """Return level in the standard's writing; raises ConfigError."""
    if level.upper() not in SHOWN:
        raise ConfigError(f"-L {level}: PATIENT, STUDY, SERIES or IMAGE is allowed")
    return level.upper()


def check_model(model: str) -> str:
    """Return model in lower case; raises ConfigError."""
    if model.lower() not in {"patient", "study"}:
        raise ConfigError(f"--model {model}: patient or study is allowed")
    return model.lower()


def identifier(level: str, keys: Iterable[str], shown: Iterable[str], transfer_syntax_uid: str) -> bytes:
    """Encode the identifier of a query: keys as `name=value` or `name`, and shown as empty ones.

    Raises:
        ConfigError: a key is no attribute, or its value does not fit it.
    """
    from archimage.dicom.encode import decode_identifier, encode_dataset
    from archimage.dicom.paths import set_path

    ds = decode_identifier(b"", transfer_syntax_uid)
    ds.QueryRetrieveLevel = level
    for key in (*shown, *keys):
        name, _, value = key.partition("=")
        try:
            set_path(ds, _TAG.sub(r"(\1,\2)", name.strip()), value)
        except DicomError as error:
            raise ConfigError(f"-k {key}: {error}") from None
        if not value.isascii():
            ds.SpecificCharacterSet = "ISO_IR 192"
    try:
        return encode_dataset(ds, transfer_syntax_uid)
    except DicomError as error:
        raise ConfigError(f"-k: {error}") from None


def plain(identifier: bytes, transfer_syntax_uid: str) -> dict[str, object]:
    """Decode a response's identifier into keyword (or `ggggeeee`) to text, list of texts, or list of the same."""
    from archimage.dicom.encode import decode_identifier

    return _plain(decode_identifier(identifier, transfer_syntax_uid))


def _plain(ds: Any) -> dict[str, object]:
    return {element.keyword or f"{int(element.tag):08X}": _value(element) for element in ds}


def _value(element: Any) -> object:
    if element.VR == "SQ":
        return [_plain(item) for item in element.value]
    if element.VM > 1:
        return [str(part) for part in element.value]
    return "" if element.value is None else str(element.value)
