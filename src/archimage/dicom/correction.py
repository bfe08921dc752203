"""Values of a stored object put right, with a record of what they were (PS3.3 §C.12.1, Original Attributes Sequence).

Everything else stays as it lies there, byte for byte: private elements, sequences, the pixels, which never come here.
Where a new value has characters that the object's Specific Character Set lacks, all of its text becomes UTF-8.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from archimage.dicom.encode import Element, encode_elements, encode_items
from archimage.dicom.layout import (
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    ITEM,
    Layout,
    layout_of,
    sniff_top,
)
from archimage.dicom.reencode import elements_at, in_utf8, plain_syntax, reencode
from archimage.dicom.text import CHARSET_VRS, decode_text, encode_text
from archimage.dicom.wanted import SPECIFIC_CHARACTER_SET
from archimage.errors import InvalidDatasetError

ORIGINAL_ATTRIBUTES_SEQUENCE: Final = 0x04000561
_MODIFIED_ATTRIBUTES_SEQUENCE: Final = 0x04000550
_ATTRIBUTE_MODIFICATION_DATE_TIME: Final = 0x04000562
_MODIFYING_SYSTEM: Final = 0x04000563
_SOURCE_OF_PREVIOUS_VALUES: Final = 0x04000564
_REASON_FOR_THE_ATTRIBUTE_MODIFICATION: Final = 0x04000565
_ISO_IR_192: Final = "ISO_IR 192"
_EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
_IMPLICIT_LITTLE: Final = "1.2.840.10008.1.2"


@dataclass(frozen=True, slots=True)
class Edit:
    """What an attribute at top level is to be; an empty text removes it, or empties it where it is to stay (type 2)."""

    tag: int
    vr: str
    text: str
    stays: bool = False


@dataclass(frozen=True, slots=True)
class Modification:
    """How the item of the Original Attributes Sequence tells of a correction.

    moment  when, as DT with the offset from UTC
    system  what modified it
    source  who sent the values that it had; may be empty
    reason  CORRECT or COERCE
    """

    moment: str
    system: str
    source: str
    reason: str


def texts_at(header: bytes, transfer_syntax_uid: str, vrs: Mapping[int, str]) -> dict[int, str]:
    """Return the text of those of some attributes that have one, by their tags; vrs tells how to read each.

    header is a data set up to its pixel element, inflated.

    Raises:
        DicomError: it cannot be parsed.
    """
    found = elements_at(header, plain_syntax(transfer_syntax_uid), {*vrs, SPECIFIC_CHARACTER_SET})
    charset = _value(found, SPECIFIC_CHARACTER_SET)
    texts = {tag: decode_text(_value(found, tag), vr, charset) for tag, vr in vrs.items() if tag in found}
    return {tag: text for tag, text in texts.items() if text}


def corrected(
    header: bytes,
    transfer_syntax_uid: str,
    edits: Sequence[Edit],
    dropped: Collection[int],
    modification: Modification,
) -> bytes | None:
    """Return a header with its values put right and those dropped gone; None where nothing of it has to change.

    header is a data set up to its pixel element, inflated, and so is what is returned.

    Raises:
        InvalidDatasetError: it cannot be parsed, or has to become UTF-8 and has text that cannot be read.
        ExcessiveDatasetError: a limit is passed.
        UnsupportedTransferSyntaxError: the transfer syntax is none of DICOM's.
    """
    syntax = _true_syntax(header, plain_syntax(transfer_syntax_uid))
    before = texts_at(header, syntax, {edit.tag: edit.vr for edit in edits})
    changed = [edit for edit in edits if before.get(edit.tag, "") != edit.text]
    there = elements_at(header, syntax, {*(edit.tag for edit in edits), *dropped, SPECIFIC_CHARACTER_SET})
    gone = [tag for tag in dropped if tag in there]
    if not changed and not gone:
        return None
    charset = _value(there, SPECIFIC_CHARACTER_SET)
    text_of = None if all(_fits(edit, charset) for edit in changed) else charset
    if text_of is not None:
        changed = [*changed, Edit(SPECIFIC_CHARACTER_SET, "CS", _ISO_IR_192)]
        charset = _ISO_IR_192.encode()
    replaced = {edit.tag: _encoded(edit, charset, syntax) for edit in changed} | dict.fromkeys(gone, b"")
    modified = _modified(there, changed, gone, text_of, syntax)
    appended = {ORIGINAL_ATTRIBUTES_SEQUENCE: _item(modified, modification, charset, syntax)}
    if text_of is None:
        return reencode(header, syntax, syntax, replaced=replaced, appended=appended)
    return in_utf8(header, syntax, text_of, replaced=replaced, appended=appended)


def _true_syntax(header: bytes, syntax: str) -> str:
    """Return the syntax in which a header is written, whatever it is said to be in: its pixels stay as they lie."""
    said = layout_of(syntax)
    written: Layout = sniff_top(said, header) if len(header) >= 8 else said
    if written is said:
        return syntax
    names = {EXPLICIT_LITTLE: _EXPLICIT_LITTLE, IMPLICIT_LITTLE: _IMPLICIT_LITTLE}
    if written not in names:
        raise InvalidDatasetError("it is not written as its transfer syntax says")
    return names[written]


def _value(found: Mapping[int, tuple[bytes, int]], tag: int) -> bytes:
    element, start = found.get(tag, (b"", 0))
    return element[start:]


def _fits(edit: Edit, charset: bytes) -> bool:
    """Tell whether a character set has all that a text needs."""
    if edit.vr not in CHARSET_VRS or edit.text.isascii():
        return True
    return decode_text(encode_text(edit.text, charset), edit.vr, charset) == edit.text


def _encoded(edit: Edit, charset: bytes, syntax: str) -> bytes:
    if not edit.text and not edit.stays:
        return b""
    return encode_elements([(edit.tag, edit.vr, encode_text(edit.text, charset))], syntax)


def _modified(
    there: Mapping[int, tuple[bytes, int]],
    changed: Sequence[Edit],
    gone: Sequence[int],
    text_of: bytes | None,
    syntax: str,
) -> bytes:
    """Return the elements as they were, as an item; those that were absent are there without a value.

    Where the text around them becomes UTF-8 their own character set stands beside them, and they stay as they lay.
    """
    parts = []
    absent = {edit.tag: edit.vr for edit in changed if edit.tag not in there}
    absent.pop(SPECIFIC_CHARACTER_SET, None)
    for tag in sorted({*(edit.tag for edit in changed), *gone}):
        if tag in absent:
            parts.append(encode_elements([(tag, absent[tag], b"")], syntax))
        elif tag in there:
            element, _ = there[tag]
            bare = text_of is not None and SPECIFIC_CHARACTER_SET not in there
            parts.append(in_utf8(element, syntax, b"") if bare else element)
    content = b"".join(parts)
    layout = layout_of(syntax)
    return layout.items.pack(layout.key(ITEM), len(content)) + content


def _item(modified: bytes, modification: Modification, charset: bytes, syntax: str) -> bytes:
    elements: list[Element] = [
        (_MODIFIED_ATTRIBUTES_SEQUENCE, "SQ", modified),
        (_ATTRIBUTE_MODIFICATION_DATE_TIME, "DT", modification.moment.encode("ascii")),
        (_MODIFYING_SYSTEM, "LO", encode_text(modification.system, charset)),
        (_SOURCE_OF_PREVIOUS_VALUES, "LO", encode_text(modification.source, charset)),
        (_REASON_FOR_THE_ATTRIBUTE_MODIFICATION, "CS", modification.reason.encode("ascii")),
    ]
    return encode_items([elements], syntax)
