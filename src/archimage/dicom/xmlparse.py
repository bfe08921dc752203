"""Reading the Native DICOM Model into the DICOM JSON Model (PS3.19 §A.1).

What is read may have no document type declaration, so there are no entities to resolve or to expand, and no elements
but those of the model, so it is as deep as its sequences are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Never
from xml.parsers import expat

import orjson

from archimage.dicom.jsonmodel import (
    DEFAULT_MODEL_LIMITS,
    Attribute,
    Model,
    ModelLimits,
    check_nesting,
    check_size,
    checked_tag,
    checked_vr,
)
from archimage.dicom.jsonvalues import NUMBER_VRS, format_texts
from archimage.errors import ExcessiveRequestError, InvalidRequestError

NAMESPACE: Final = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
COMPONENTS: Final = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")

_DOCUMENT: Final = "NativeDicomModel"
_CHILDREN: Final[Mapping[str, frozenset[str]]] = {
    "": frozenset({_DOCUMENT}),
    _DOCUMENT: frozenset({"DicomAttribute"}),
    "Item": frozenset({"DicomAttribute"}),
    "DicomAttribute": frozenset({"Value", "PersonName", "Item", "BulkData", "InlineBinary"}),
    "PersonName": frozenset(GROUPS),
    **dict.fromkeys(GROUPS, frozenset(COMPONENTS)),
}
_TEXTUAL: Final = frozenset({"Value", "InlineBinary", *COMPONENTS})
_FIRST_BLOCK, _LAST_BLOCK = 0x10, 0xFF


def parse_xml(data: bytes | bytearray | memoryview, limits: ModelLimits = DEFAULT_MODEL_LIMITS) -> Model:
    """Parse one data set.

    Raises:
        InvalidRequestError: it is not XML, not a Native DICOM Model, or declares a document type.
        ExcessiveRequestError: it is too long, or has too many parts.
    """
    check_size(data, limits)
    reader = _Reader(limits)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(bytes(data), True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # the last two of encodings that Python lacks
        raise InvalidRequestError(f"the data set is not XML: {error}") from None
    return reader.model


def _refuse_doctype(*_: object) -> Never:
    raise InvalidRequestError("the XML declares a document type, which a data set needs not")


@dataclass(slots=True)
class _Node:
    """An element of XML that is being read; what it holds depends on what it is."""

    name: str
    attributes: Mapping[str, str]
    text: list[str] = field(default_factory=list)
    parts: dict[str, Any] = field(default_factory=dict)
    values: list[Any] = field(default_factory=list)
    private: list[tuple[str, str, Attribute]] = field(default_factory=list)


class _Reader:
    """Takes what the parser meets."""

    def __init__(self, limits: ModelLimits) -> None:
        self.model: Model = {}
        self._limits = limits
        self._stack = [_Node("", {})]
        self._depth = 0
        self._count = 0

    def start(self, qualified: str, attributes: dict[str, str]) -> None:
        """Enter an element."""
        name = qualified.removeprefix(f"{NAMESPACE} ")
        above = self._stack[-1].name
        if name not in _CHILDREN.get(above, ()):
            raise InvalidRequestError(f"{name[:40]!r} cannot stand in {above or 'a Native DICOM Model'}")
        self._take(1)
        if name == "Item":
            self._depth += 1
            check_nesting(self._depth, self._limits)
        self._stack.append(_Node(name, attributes))

    def text(self, text: str) -> None:
        """Take characters; between elements only white space may stand."""
        node = self._stack[-1]
        if node.name in _TEXTUAL:
            node.text.append(text)
        elif text.strip():
            raise InvalidRequestError(f"{node.name} holds text")

    def end(self, _: str) -> None:
        """Leave an element, and put what it holds into the one around it."""
        node, outer = self._stack.pop(), self._stack[-1]
        text = "".join(node.text)
        match node.name:
            case "NativeDicomModel":
                self.model = _with_private(node)
            case "DicomAttribute":
                _add(outer, node)
            case "Item":
                self._depth -= 1
                self._place(outer, node, _with_private(node))
            case "Value":
                self._place(outer, node, text or None)
            case "PersonName":
                self._place(outer, node, node.parts or None)
            case "InlineBinary":
                outer.parts["InlineBinary"] = "".join(text.split())
            case "BulkData":
                outer.parts["BulkDataURI"] = node.attributes.get("uri") or node.attributes.get("uuid", "")
            case name if name in GROUPS:
                components = "^".join(node.parts.get(key, "") for key in COMPONENTS).rstrip("^")
                outer.parts.update({name: components} if components else {})
            case name:
                outer.parts[name] = text

    def _place(self, outer: _Node, node: _Node, value: Any) -> None:
        """Add a value under its number; those that are left out are empty."""
        number = node.attributes.get("number", str(len(outer.values) + 1))
        if not (number.isascii() and number.isdecimal() and len(number) < 10 and int(number) > len(outer.values)):
            raise InvalidRequestError(f"{node.name} number {number[:20]!r} does not follow the one before")
        gap = int(number) - len(outer.values) - 1
        self._take(gap)
        outer.values += [{} if node.name == "Item" else None] * gap
        outer.values.append(value)

    def _take(self, count: int) -> None:
        self._count += count
        if self._count > self._limits.max_elements:
            raise ExcessiveRequestError(f"the XML has more than {self._limits.max_elements} parts")


def _add(outer: _Node, node: _Node) -> None:
    """Add an attribute to a data set, a private one once all blocks that are named are known."""
    tag = checked_tag(node.attributes.get("tag", ""))
    attribute = _attribute(tag, node)
    creator = node.attributes.get("privateCreator", "")
    if creator and int(tag, 16) >> 16 & 1:
        outer.private.append((tag, creator, attribute))
    else:
        _insert(outer.parts, tag, attribute)


def _insert(model: Model, tag: str, attribute: Attribute) -> None:
    if tag in model:
        raise InvalidRequestError(f"{tag} stands there twice")
    model[tag] = attribute


def _attribute(tag: str, node: _Node) -> Attribute:
    vr = checked_vr(tag, node.attributes.get("vr"))
    if bool(node.values) + len(node.parts) > 1:
        raise InvalidRequestError(f"{tag} has values of two kinds")
    if not node.values:
        return {"vr": vr, **node.parts}
    if not all(value is None or isinstance(value, dict) == (vr in {"PN", "SQ"}) for value in node.values):
        raise InvalidRequestError(f"{tag} holds what no value of VR {vr} is")
    if vr in NUMBER_VRS:
        return {"vr": vr, "Value": orjson.loads(b"[%b]" % format_texts([text or "" for text in node.values], vr))}
    return {"vr": vr, "Value": node.values}


def _with_private(node: _Node) -> Model:
    """Return a data set with its private elements, in blocks that are reserved for their creators."""
    model: Model = node.parts
    blocks: dict[tuple[int, str], int] = {}
    for tag, attribute in model.items():
        if int(tag, 16) >> 16 & 1 and _FIRST_BLOCK <= int(tag[4:], 16) <= _LAST_BLOCK and attribute.get("Value"):
            blocks.setdefault((int(tag[:4], 16), str(attribute["Value"][0])), int(tag[4:], 16))
    for tag, creator, attribute in sorted(node.private, key=lambda found: found[0][4:6] == "00"):
        group, block = int(tag[:4], 16), int(tag[4:6], 16)
        if not block:
            block = blocks.get((group, creator)) or _free_block(model, group)
        blocks.setdefault((group, creator), block)
        reserved = model.setdefault(f"{group:04X}{block:04X}", {"vr": "LO", "Value": [creator]})
        if reserved.get("Value") != [creator]:
            raise InvalidRequestError(f"{tag} stands in a block that another creator reserves")
        _insert(model, f"{group:04X}{block:02X}{tag[6:]}", attribute)
    return dict(sorted(model.items()))


def _free_block(model: Model, group: int) -> int:
    free = (block for block in range(_FIRST_BLOCK, _LAST_BLOCK + 1) if f"{group:04X}{block:04X}" not in model)
    block = next(free, None)
    if block is None:
        raise InvalidRequestError(f"group {group:04X} has more private creators than blocks")
    return block
