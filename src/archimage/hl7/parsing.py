"""A message, as those who act on it read it; the package `hl7` takes it apart.

Ref: HL7 v2.5.1 §2.5 (segments, fields, components), §2.7 (escape sequences).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from archimage.errors import Hl7Error
from archimage.hl7 import charsets
from archimage.model.messages import Ack, Fault

MAX_SEPARATORS: Final = 20_000
"""Each separator costs half a kilobyte while a message is looked at."""
DELETED: Final = '""'
"""What a field holds whose value is to be forgotten; an empty field says nothing."""
_HEADS: Final = (b"FHS", b"BHS")
_ESCAPED: Final = re.compile(r"\\([^\\\r]{0,64})\\")
_BREAK: Final = re.compile(r"\.br|\.sp\+?[0-9]*")
_ENCODED: Final = re.compile(r"X((?:[0-9A-Fa-f]{2})+)")


@dataclass(frozen=True, slots=True)
class Header:
    """What is read of a message before it is decoded, so that it can be answered whatever is in it.

    sender, receiver, kind and the like are fields of MSH as they stand, of a batch those of its header.
    """

    separator: str = "|"
    component: str = "^"
    sender: str = ""
    receiver: str = ""
    kind: str = ""
    control_id: str = ""
    processing_id: str = "P"
    version: str = "2.5"
    accept_ack: str = ""
    application_ack: str = ""
    character_set: str = ""
    is_batch: bool = False

    @property
    def is_enhanced(self) -> bool:
        """Tell whether it asks for acknowledgements by name (§2.9.3): accept and application."""
        return bool(self.accept_ack or self.application_ack)


def read_header(data: bytes) -> Header | None:
    """Read the header of a message or batch; None where it begins with none."""
    line = re.split(rb"[\r\n]", data.lstrip(b"\r\n")[:4_096], maxsplit=1)[0].decode("ascii", "replace")
    is_batch = line[:3].encode() in _HEADS
    if not (line.startswith("MSH") or is_batch) or len(line) < 5 or line[3].isalnum():
        return None
    fields = line.split(line[3])
    fields += [""] * (20 - len(fields))
    separator, component = line[3], line[4]
    sender, receiver = f"{fields[2]}|{fields[3]}", f"{fields[4]}|{fields[5]}"
    if is_batch:
        return Header(separator, component, sender, receiver, control_id=fields[10][:199], is_batch=True)
    return Header(
        separator=separator,
        component=component,
        sender=sender[:256],
        receiver=receiver[:256],
        kind="^".join(fields[8].split(component)[:2])[:32],
        control_id=fields[9][:199],
        processing_id=fields[10][:16] or "P",
        version=fields[11].split(component)[0][:16] or "2.5",
        accept_ack=fields[14],
        application_ack=fields[15],
        character_set=fields[17],
    )


class Segment:
    """One segment; what is asked for and not there is empty."""

    def __init__(self, segment: Sequence[Any], escapes: "_Escapes") -> None:
        self._segment = segment
        self._escapes = escapes
        self.name = str(segment[0])

    def text(self, field: int, component: int = 1, subcomponent: int = 1, repetition: int = 1) -> str:
        """Return a value, all of them counted from 1; `""` is returned as it stands."""
        if field >= len(self._segment):
            return ""  # most of what is asked for
        found: Any = self._segment[field]
        for place in (repetition, component, subcomponent):
            found = _at(found, place - 1)
            if not found:
                return ""
        return self._escapes.read(found).strip() if isinstance(found, str) else ""

    def repetitions(self, field: int) -> range:
        """Return the numbers of the repetitions that a field has."""
        found = _at(self._segment, field)
        return range(1, 1 + (len(found) if not isinstance(found, str) else 0))

    def whole(self, field: int) -> str:
        """Return a text that may hold separators of components, which senders forget to escape; lines by `~`."""
        found = _at(self._segment, field)
        return self._escapes.read("\n".join(str(one) for one in found) if not isinstance(found, str) else found)


class Message:
    """A message that was taken apart."""

    def __init__(self, header: Header, segments: Sequence[Segment]) -> None:
        self.header = header
        self.segments = segments

    def all(self, name: str) -> Iterator[Segment]:
        """Yield the segments of a name."""
        return (one for one in self.segments if one.name == name)

    def first(self, name: str) -> Segment:
        """Return the first segment of a name.

        Raises:
            Hl7Error: there is none.
        """
        found = next(self.all(name), None)
        if found is None:
            raise Hl7Error(f"it has no segment {name}", Fault.SEGMENT_SEQUENCE, name)
        return found

    def optional(self, name: str) -> Segment:
        """Return the first segment of a name, an empty one where there is none."""
        return next(self.all(name), empty(name))


def parse(data: bytes, default_character_set: str) -> Message:
    """Take a message apart.

    Raises:
        Hl7Error: it is none, it is a batch, or its bytes are not of the encoding that it tells.
    """
    header = read_header(data)
    if header is None:
        raise Hl7Error("it does not begin with a segment MSH", Fault.SEGMENT_SEQUENCE, "MSH", Ack.REJECT)
    if header.is_batch:
        told = "batches are not taken: send its messages one by one"
        raise Hl7Error(told, Fault.UNSUPPORTED_TYPE, "", Ack.REJECT)
    codec = charsets.codec_of(header.character_set, default_character_set)
    if codec is None:
        told = f"its character set {header.character_set[:40]} is not known here"
        raise Hl7Error(told, Fault.DATA_TYPE, "MSH^1^18", Ack.REJECT)
    try:
        text = data.decode(codec)
    except UnicodeDecodeError as error:
        told = f"byte {error.start} is none of {header.character_set[:40] or default_character_set}"
        raise Hl7Error(told, Fault.DATA_TYPE, "MSH^1^18", Ack.REJECT) from error
    return Message(header, _segments(text))


def _segments(text: str) -> Sequence[Segment]:
    lines = [line for line in re.split(r"\r\n|\r|\n", text) if line.strip()]
    field, component, repetition, escape, subcomponent = tuple(lines[0][3:8].ljust(5))
    separators = (field, component, repetition, subcomponent)
    if len({*separators, escape}) < 5 or any(one.isalnum() or one.isspace() for one in separators):
        raise Hl7Error("its separators (MSH-1, MSH-2) are not five characters", Fault.DATA_TYPE, "MSH^1^2", Ack.REJECT)
    if sum(text.count(one) for one in separators) > MAX_SEPARATORS:
        raise Hl7Error(f"it has more than {MAX_SEPARATORS} separators", Fault.DATA_TYPE, "", Ack.REJECT)
    import hl7  # takes a while, and only who takes messages needs it

    try:
        parsed = hl7.parse("\r".join(lines))  # type: ignore[no-untyped-call]
    except (hl7.HL7Exception, LookupError, ValueError) as error:
        raise Hl7Error("it cannot be taken apart", Fault.DATA_TYPE, "MSH", Ack.REJECT) from error
    escapes = _Escapes(field, component, repetition, subcomponent, escape)
    return [Segment(one, escapes) for one in parsed if str(one[0])]


class _Escapes:
    """The escape sequences of a message; what is none of them stays as it stands."""

    def __init__(self, field: str, component: str, repetition: str, subcomponent: str, escape: str = "\\") -> None:
        self._named = {"F": field, "S": component, "R": repetition, "T": subcomponent, "E": escape}
        self._escape = escape

    def read(self, text: str) -> str:
        """Return what a text means."""
        if self._escape not in text:
            return text
        if self._escape != "\\":
            text = text.replace("\\", "\x00").replace(self._escape, "\\")
        if "\\" in text:
            text = _ESCAPED.sub(self._meaning, text)
        return text.replace("\\", self._escape).replace("\x00", "\\") if self._escape != "\\" else text

    def _meaning(self, found: re.Match[str]) -> str:
        inside = found[1]
        if inside in self._named:
            return self._named[inside]
        if _BREAK.fullmatch(inside):
            return "\n"
        if encoded := _ENCODED.fullmatch(inside):
            return bytes.fromhex(encoded[1]).decode("latin-1")
        return "" if inside in {"H", "N"} or inside.startswith(".") else found[0]


def empty(name: str) -> Segment:
    """Return a segment that says nothing."""
    return Segment([name], _Escapes("|", "^", "~", "&"))


def _at(found: Any, index: int) -> Any:
    """Return a part; of a text itself, which is its own first part."""
    if isinstance(found, str):
        return found if index == 0 else ""
    return found[index] if index < len(found) else ""
