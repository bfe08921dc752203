"""Data sets as XML, the Native DICOM Model, written from the DICOM JSON Model (PS3.19 §A.1).

    <DicomAttribute tag="00100010" vr="PN" keyword="PatientName">
      <PersonName number="1"><Alphabetic><FamilyName>Müller</FamilyName></Alphabetic></PersonName>
    </DicomAttribute>

Private elements name their creator, and have 00 for the block that it reserves, unless it reserves several.
Characters that XML 1.0 cannot hold become U+FFFD.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from archimage.dicom.dictionary import keyword_of_tag
from archimage.dicom.jsonmodel import Attribute, Model
from archimage.dicom.xmlparse import COMPONENTS, GROUPS, NAMESPACE, parse_xml

__all__ = ["NAMESPACE", "model_xml", "parse_xml"]

_HEAD: Final = f'<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">'
_TAIL: Final = "</NativeDicomModel>"
_UNWRITABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
)


def model_xml(model: Model) -> bytes:
    """Return one data set as an XML document in UTF-8."""
    return "".join([_HEAD, *_dataset(model), _TAIL]).encode()


def _dataset(model: Model) -> Iterator[str]:
    creators = {int(tag, 16): _creator(attribute) for tag, attribute in model.items() if _is_creator(int(tag, 16))}
    for name in sorted(model):
        attribute = model[name]
        yield f'<DicomAttribute {_name(int(name, 16), creators)} vr="{attribute["vr"]}">'
        yield from _content(attribute)
        yield "</DicomAttribute>"


def _is_creator(tag: int) -> bool:
    return tag >> 16 & 1 == 1 and 0x10 <= tag & 0xFFFF <= 0xFF


def _creator(attribute: Attribute) -> str:
    values = attribute.get("Value", [""])
    return values[0] if isinstance(values[0], str) else ""


def _name(tag: int, creators: dict[int, str]) -> str:
    """Return the XML attributes that name an element: tag, and keyword or private creator where there is one."""
    reserved = tag & 0xFFFF0000 | tag >> 8 & 0xFF
    creator = creators.get(reserved)
    if tag >> 16 & 1 and creator:
        blocks = [other for other, name in creators.items() if name == creator and other >> 16 == tag >> 16]
        shown = tag & 0xFFFF00FF if len(blocks) == 1 else tag
        return f'tag="{shown:08X}" privateCreator="{_escaped(creator)}"'
    keyword = keyword_of_tag(tag)
    return f'tag="{tag:08X}" keyword="{keyword}"' if keyword else f'tag="{tag:08X}"'


def _content(attribute: Attribute) -> Iterator[str]:
    if "BulkDataURI" in attribute:
        yield f'<BulkData uri="{_escaped(attribute["BulkDataURI"])}"/>'
    elif "InlineBinary" in attribute:
        yield f"<InlineBinary>{_escaped(attribute['InlineBinary'])}</InlineBinary>"
    for number, value in enumerate(attribute.get("Value", ()), 1):
        if attribute["vr"] == "SQ":
            yield f'<Item number="{number}">'
            yield from _dataset(value)
            yield "</Item>"
        elif value is None:
            yield f'<Value number="{number}"/>'
        elif attribute["vr"] == "PN":
            yield f'<PersonName number="{number}">{"".join(_groups(value))}</PersonName>'
        else:
            yield f'<Value number="{number}">{_escaped(str(value))}</Value>'


def _groups(name: dict[str, Any]) -> Iterator[str]:
    for group in GROUPS:
        if name.get(group):
            components = zip(COMPONENTS, name[group].split("^", len(COMPONENTS) - 1), strict=False)
            parts = (f"<{key}>{_escaped(text)}</{key}>" for key, text in components if text)
            yield f"<{group}>{''.join(parts)}</{group}>"


def _escaped(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", text).translate(_ESCAPES)
