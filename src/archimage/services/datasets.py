"""The data sets of normalized services, worklists and work items: as the DICOM JSON Model, whatever came over the wire.

They are small, and kept in the index as JSON; what is kept is told by DIMSE, by DICOMweb and by pages alike.
Ref: PS3.18 Annex F.
"""

import base64
from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson

from archimage.dicom.dictionary import dictionary_vr
from archimage.dicom.json import metadata_json
from archimage.dicom.jsonmodel import Attribute, Model
from archimage.dicom.modelencode import encode_json_dataset
from archimage.errors import InvalidDatasetError, InvalidRequestError
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

__all__ = ["Attribute", "Model"]

SYNTAXES: Final = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
"""Transfer syntaxes in which these data sets are taken and told, the preferred first."""
_LONGEST_VALUE: Final = 1 << 32
_CHARSET: Final = "00080005"
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")


def decode(data: bytes, transfer_syntax_uid: str) -> Model:
    """Read an encoded data set.

    Raises:
        InvalidDatasetError: it cannot be parsed, or has pixels.
    """
    if not data:
        return {}
    written = metadata_json(data, transfer_syntax_uid, _no_pixels, bulk_threshold_bytes=_LONGEST_VALUE)
    model: Model = orjson.loads(written)
    model.pop(_CHARSET, None)
    return model


def encode(model: Model, transfer_syntax_uid: str) -> bytes:
    """Write a data set, text in UTF-8 where it is no ASCII.

    Raises:
        InvalidDatasetError: a value does not fit its VR.
    """
    try:
        return encode_json_dataset(model, transfer_syntax_uid, _no_bulk)
    except InvalidRequestError as error:
        raise InvalidDatasetError(str(error)) from error


def _no_pixels(_path: object) -> str:
    raise InvalidDatasetError("pixels have no place in this data set")


def _no_bulk(uri: str) -> bytes:
    raise InvalidRequestError(f"a value stands elsewhere, at {uri[:80]!r}")


def texts(model: Model, tag: int) -> list[str]:
    """Return the values of an attribute as text, those that are empty as such; of a name its groups, joined by `=`."""
    return [text_of(value) for value in model.get(f"{tag:08X}", {}).get("Value", ())]


def text(model: Model, tag: int) -> str:
    """Return the first value of an attribute as text, empty without one."""
    values = model.get(f"{tag:08X}", {}).get("Value")
    return text_of(values[0]) if values else ""


def text_of(value: Any) -> str:
    """Return one value of the model as text."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return "=".join(value.get(group, "") for group in _GROUPS).rstrip("=")
    return str(value)


def items(model: Model, tag: int) -> Sequence[Model]:
    """Return the items of a sequence."""
    found = model.get(f"{tag:08X}", {})
    return found.get("Value", ()) if found.get("vr") == "SQ" else ()


def is_empty(model: Model, tag: int) -> bool:
    """Tell whether an attribute is absent or has no value."""
    attribute = model.get(f"{tag:08X}", {})
    nothing: Sequence[Any] = (None, "") if attribute.get("vr") == "SQ" else (None, "", {})
    return not (any(value not in nothing for value in attribute.get("Value", ())) or attribute.get("InlineBinary"))


def attribute(tag: int, *values: Any) -> tuple[str, Attribute]:
    """Return an entry of a model: values of a standard attribute, of a sequence its items; names are given as text."""
    vr = dictionary_vr(tag)
    if vr in {"OB", "OW", "UN"}:
        return f"{tag:08X}", {"vr": vr, "InlineBinary": base64.b64encode(b"".join(values)).decode()}
    if vr == "PN":
        values = tuple(name(value) for value in values if value)
    kept = [value for value in values if value not in ("", None)]
    return f"{tag:08X}", {"vr": vr, "Value": list(values)} if kept else {"vr": vr}


def name(value: str) -> dict[str, str]:
    """Return a person name as the model has it."""
    return {group: part for group, part in zip(_GROUPS, value.split("="), strict=False) if part}


def made(*attributes: tuple[str, Attribute]) -> Model:
    """Return a model of entries that `attribute` made."""
    return dict(attributes)


def walk(model: Model) -> Iterator[Model]:
    """Yield a data set and those of its items, at every depth."""
    yield model
    for found in model.values():
        if found["vr"] == "SQ":
            for item in found.get("Value", ()):
                yield from walk(item)
