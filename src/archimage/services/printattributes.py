"""The attributes of film sessions, film boxes and image boxes: what they may be, and what they are where nobody says.

Ref: PS3.4 §H.4.1.2, §H.4.2.2, PS3.3 §C.13.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from archimage.dicom.film.description import ILLUMINATION, REFLECTED
from archimage.dicom.film.geometry import ANNOTATIONS, SIZES_MM
from archimage.errors import RefusedOperationError
from archimage.protocol.status import Status
from archimage.services.datasets import Model, attribute, is_empty, items, made, text

COPIES, PRIORITY, MEDIUM = 0x20000010, 0x20000020, 0x20000030
DESTINATION, LABEL, MEMORY, OWNER = 0x20000040, 0x20000050, 0x20000060, 0x21000160
DISPLAY_FORMAT, ANNOTATION_FORMAT, ORIENTATION = 0x20100010, 0x20100030, 0x20100040
FILM_SIZE, MAGNIFICATION, SMOOTHING = 0x20100050, 0x20100060, 0x20100080
BORDER, EMPTY, MIN_DENSITY, MAX_DENSITY = 0x20100100, 0x20100110, 0x20100120, 0x20100130
TRIM, CONFIGURATION, ILLUMINATED, AMBIENT = 0x20100140, 0x20100150, 0x2010015E, 0x20100160
RESOLUTION = 0x20200050
SESSION_REFERENCE, IMAGE_BOXES, ANNOTATION_BOXES = 0x20100500, 0x20100510, 0x20100520
LUT_REFERENCE = 0x20500500
POSITION, POLARITY, REQUESTED_SIZE, BEHAVIOUR = 0x20200010, 0x20200020, 0x20200030, 0x20200040
_CLASS_UID, _INSTANCE_UID = 0x00081150, 0x00081155
_MAX_COPIES: Final = 99
_MAX_DENSITY: Final = 1_000
_CHARSET: Final = 0x00080005

Check = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """One attribute: what is a value of it, its default, None without; settable tells that N-SET may change it."""

    tag: int
    check: Check
    default: Any = None
    settable: bool = True
    required: bool = False


def among(*values: str) -> Check:
    """Let through these values."""
    return lambda given: given in values


def whole(least: int, most: int) -> Check:
    """Let through whole numbers within bounds."""
    return lambda given: given.isascii() and given.isdigit() and least <= int(given[:9]) <= most


def _anything(_given: str) -> bool:
    return True


def _density(given: str) -> bool:
    return given in {"BLACK", "WHITE"} or whole(0, _MAX_DENSITY)(given)


_MAGNIFICATIONS: Final = among("REPLICATE", "BILINEAR", "CUBIC", "NONE")
SESSION: Final = (
    Rule(COPIES, whole(1, _MAX_COPIES), 1),
    Rule(PRIORITY, among("HIGH", "MED", "LOW"), "MED"),
    Rule(MEDIUM, _anything, "PAPER"),
    Rule(DESTINATION, _anything, "MAGAZINE"),
    Rule(LABEL, _anything),
    Rule(MEMORY, _anything),
    Rule(OWNER, _anything),
)
FILM: Final = (
    Rule(DISPLAY_FORMAT, _anything, settable=False, required=True),
    Rule(ANNOTATION_FORMAT, among(*ANNOTATIONS), settable=False),
    Rule(ORIENTATION, among("PORTRAIT", "LANDSCAPE"), "PORTRAIT", settable=False),
    Rule(FILM_SIZE, among(*SIZES_MM), "8INX10IN", settable=False),
    Rule(MAGNIFICATION, _MAGNIFICATIONS, "CUBIC"),
    Rule(SMOOTHING, _anything),
    Rule(BORDER, _density, "BLACK"),
    Rule(EMPTY, _density, "BLACK"),
    Rule(MIN_DENSITY, whole(0, _MAX_DENSITY)),
    Rule(MAX_DENSITY, whole(0, _MAX_DENSITY)),
    Rule(TRIM, among("YES", "NO"), "NO"),
    Rule(CONFIGURATION, _anything),
    Rule(ILLUMINATED, whole(1, 0xFFFF), ILLUMINATION),
    Rule(AMBIENT, whole(0, 0xFFFF), REFLECTED),
    Rule(RESOLUTION, among("STANDARD", "HIGH"), "STANDARD", settable=False),
)
IMAGE: Final = (
    Rule(POSITION, whole(1, 0xFFFF), required=True),
    Rule(POLARITY, among("NORMAL", "REVERSE"), "NORMAL"),
    Rule(MAGNIFICATION, _MAGNIFICATIONS),
    Rule(SMOOTHING, _anything),
    Rule(CONFIGURATION, _anything),
    Rule(REQUESTED_SIZE, lambda given: 0 < number(given) <= 10_000),
    Rule(BEHAVIOUR, among("DECIMATE", "CROP", "FAIL"), "DECIMATE"),
    Rule(MIN_DENSITY, whole(0, _MAX_DENSITY)),
    Rule(MAX_DENSITY, whole(0, _MAX_DENSITY)),
)
TEXT: Final = (Rule(0x20300010, whole(1, 0xFFFF)), Rule(0x20300020, _anything))


def number(given: str) -> float:
    """Return a decimal number, 0 for what is none."""
    try:
        return float(given)
    except ValueError:
        return 0.0


def created(given: Model, rules: Sequence[Rule], sequences: Iterable[int] = ()) -> tuple[Model, tuple[int, ...]]:
    """Return the attributes of a new instance, and the tags of those given that are not known.

    sequences are tags that are looked at elsewhere.

    Raises:
        RefusedOperationError: one is missing, or has no value that it may have.
    """
    for rule in rules:
        if rule.required and is_empty(given, rule.tag):
            missing = Status.MISSING_ATTRIBUTE if f"{rule.tag:08X}" not in given else Status.MISSING_ATTRIBUTE_VALUE
            raise RefusedOperationError("an attribute is missing", status=missing, offending=(rule.tag,))
    defaults = made(*(attribute(rule.tag, rule.default) for rule in rules if rule.default is not None))
    known, unknown = _checked(given, rules, sequences)
    return defaults | known, unknown


def changed(
    held: Model, given: Model, rules: Sequence[Rule], sequences: Iterable[int] = ()
) -> tuple[Model, tuple[int, ...]]:
    """Return the attributes of an instance after N-SET; as `created`, and what may not be changed is refused."""
    fixed = next((rule.tag for rule in rules if not rule.settable and f"{rule.tag:08X}" in given), None)
    if fixed is not None:
        raise RefusedOperationError(
            "an attribute cannot be changed", status=Status.INVALID_ATTRIBUTE_VALUE, offending=(fixed,)
        )
    known, unknown = _checked(given, rules, sequences)
    return held | known, unknown


def _checked(given: Model, rules: Sequence[Rule], sequences: Iterable[int]) -> tuple[Model, tuple[int, ...]]:
    tags = {f"{rule.tag:08X}": rule for rule in rules}
    for key, rule in tags.items():
        if key in given and not is_empty(given, rule.tag) and not rule.check(text(given, rule.tag)):
            raise invalid(rule.tag)
    elsewhere = {f"{tag:08X}" for tag in (*sequences, _CHARSET)}
    unknown = tuple(int(key, 16) for key in given if key not in tags and key not in elsewhere)
    return {key: given[key] for key, rule in tags.items() if not is_empty(given, rule.tag)}, unknown


def invalid(tag: int, why: str = "an attribute has no value that it may have") -> RefusedOperationError:
    """Return the refusal of a value."""
    return RefusedOperationError(why, status=Status.INVALID_ATTRIBUTE_VALUE, offending=(tag,))


def reference(sop_class_uid: str, uid: str) -> Model:
    """Return an item that refers to an instance."""
    return made(attribute(_CLASS_UID, sop_class_uid), attribute(_INSTANCE_UID, uid))


def referred(model: Model, tag: int) -> str:
    """Return the SOP Instance UID to which the first item of a sequence refers, empty without."""
    found = items(model, tag)
    return text(found[0], _INSTANCE_UID) if found else ""
