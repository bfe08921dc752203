"""Data sets as web clients send them: the DICOM JSON Model as values, read within limits (PS3.18 Annex F).

    {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Jörg"}]}, ...}

A model that comes from here or from `xml` has the right shape: upper-case tags, known VRs, at most one of Value,
InlineBinary and BulkDataURI, and items in sequences alone. Whether a value fits its VR is seen when it is encoded.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final

import orjson

from archimage.dicom.implied import implied_vr
from archimage.dicom.layout import KNOWN_VRS
from archimage.errors import ExcessiveRequestError, InvalidRequestError

Attribute = dict[str, Any]
Model = dict[str, Attribute]

_TAG: Final = re.compile(r"[0-9A-F]{8}")
_FORBIDDEN_GROUPS: Final = frozenset({"0000", "FFFE"})
_CONTENTS: Final = frozenset({"Value", "InlineBinary", "BulkDataURI"})


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """Bounds of what is read; sizes in bytes.

    max_bytes     of the text
    max_depth     sequences inside one another
    max_elements  attributes, items and values together, of all data sets
    """

    max_bytes: int = 32 << 20
    max_depth: int = 64
    max_elements: int = 1_000_000


DEFAULT_MODEL_LIMITS: Final = ModelLimits()


def parse_json(data: bytes | bytearray | memoryview, limits: ModelLimits = DEFAULT_MODEL_LIMITS) -> list[Model]:
    """Parse the data sets of a JSON array, or a single one.

    Raises:
        InvalidRequestError: it is not JSON, not a DICOM JSON Model, or its sequences nest too deep.
        ExcessiveRequestError: it is too long, or has too many parts.
    """
    check_size(data, limits)
    text = bytes(data)
    if text.count(b",") + text.count(b"[") + text.count(b"{") > 2 * limits.max_elements:
        raise ExcessiveRequestError(f"the JSON has more than {limits.max_elements} parts")
    try:
        parsed = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError(f"the data set is not JSON: {error.msg} at character {error.pos}") from None
    found = parsed if isinstance(parsed, list) else [parsed]
    checker = _Checker(limits)
    return [checker.model(model, "", 0) for model in found]


def check_size(data: bytes | bytearray | memoryview, limits: ModelLimits) -> None:
    """Raise ExcessiveRequestError where a text is too long to be parsed."""
    if len(data) > limits.max_bytes:
        raise ExcessiveRequestError(f"a data set of {len(data)} bytes as text; {limits.max_bytes} are read")


def check_nesting(depth: int, limits: ModelLimits) -> None:
    """Raise InvalidRequestError where sequences stand too deep inside one another."""
    if depth > limits.max_depth:
        raise InvalidRequestError(f"sequences nest deeper than {limits.max_depth}")


def bulk_data_uris(model: Model) -> Iterator[str]:
    """Yield every BulkDataURI of a data set and of its items."""
    for attribute in model.values():
        if "BulkDataURI" in attribute:
            yield attribute["BulkDataURI"]
        elif attribute["vr"] == "SQ":
            for item in attribute.get("Value", ()):
                yield from bulk_data_uris(item)


class _Checker:
    """Puts models into shape and counts what they hold."""

    def __init__(self, limits: ModelLimits) -> None:
        self._limits = limits

    def model(self, model: object, path: str, depth: int) -> Model:
        check_nesting(depth, self._limits)
        if not isinstance(model, dict):
            raise InvalidRequestError(f"{path or 'the data set'} is not an object of attributes")
        found: Model = {}
        for name, attribute in model.items():
            tag = checked_tag(name, path)
            if tag in found:
                raise InvalidRequestError(f"{path}{tag} stands there twice")
            found[tag] = self._attribute(tag, attribute, path, depth)
        return found

    def _attribute(self, tag: str, attribute: object, path: str, depth: int) -> Attribute:
        where = path + tag
        if not isinstance(attribute, dict):
            raise InvalidRequestError(f"{where} is not an object with a vr")
        contents = [name for name in attribute if name in _CONTENTS]
        if len(contents) > 1:
            raise InvalidRequestError(f"{where} has both {contents[0]} and {contents[1]}")
        vr = checked_vr(tag, attribute.get("vr"), path)
        if not contents:
            return {"vr": vr}
        (name,) = contents
        content = attribute[name]
        if name != "Value":
            return {"vr": vr, name: _text_of(content, f"{where}.{name}")}
        values = self._values(vr, content, where, depth)
        return {"vr": vr, "Value": values} if values else {"vr": vr}

    def _values(self, vr: str, values: object, where: str, depth: int) -> list[Any]:
        if not isinstance(values, list):
            raise InvalidRequestError(f"{where}.Value is not an array")
        if vr == "SQ":
            items = ({} if item is None else item for item in values)
            return [self.model(item, f"{where}[{number}].", depth + 1) for number, item in enumerate(items)]
        kinds = {dict, str, NoneType} if vr == "PN" else {str, int, float, NoneType}
        if not kinds.issuperset(map(type, values)):
            raise InvalidRequestError(f"{where}.Value holds what no value of VR {vr} is")
        return values


def checked_tag(name: object, path: str = "") -> str:
    """Return a tag as eight upper-case digits, or raise InvalidRequestError."""
    tag = str(name).upper()
    if not _TAG.fullmatch(tag) or tag[:4] in _FORBIDDEN_GROUPS:
        raise InvalidRequestError(f"{path}{str(name)[:20]!r} is not the tag of an element")
    return tag


def checked_vr(tag: str, vr: object, path: str = "") -> str:
    """Return an attribute's VR, that of the dictionary where none is given, or raise InvalidRequestError."""
    if vr is None:
        known = implied_vr(int(tag, 16), "")
        return known if known in KNOWN_VRS else "US"
    if not isinstance(vr, str) or vr not in KNOWN_VRS:
        raise InvalidRequestError(f"{path}{tag} has the unknown vr {str(vr)[:20]!r}")
    return vr


def _text_of(content: object, where: str) -> str:
    """Return a string, which some writers put into an array."""
    if isinstance(content, list) and len(content) == 1:
        content = content[0]
    if not isinstance(content, str):
        raise InvalidRequestError(f"{where} is not a string")
    return content
