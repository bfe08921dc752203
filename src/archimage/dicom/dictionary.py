"""The data dictionary (PS3.6 §6): which VR an element has.

The table is pydicom's, with the keywords that attributes go by. It is loaded without the package around it, which
brings NumPy and the pixel codecs: a command that sends one file would wait for them longer than for its peer.
"""

from functools import cache, lru_cache
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Final


def _load(name: str) -> ModuleType:
    package = find_spec("pydicom")
    assert package is not None and package.origin is not None  # noqa: S101, PT018
    module = ModuleType(name)
    SourceFileLoader(name, str(Path(package.origin).with_name(f"{name}.py"))).exec_module(module)
    return module


_DICTIONARIES: Final = _load("_dicom_dict")
_ENTRIES: Final[dict[int, tuple[str, ...]]] = _DICTIONARIES.DicomDictionary
"""Tag -> VR or several, VM, name, whether it is retired, keyword."""
_REPEATING: Final = tuple(
    (int(mask.translate(str.maketrans("0123456789ABCDEFx", "FFFFFFFFFFFFFFFF0")), 16), int(mask.replace("x", "0"), 16),
     entry)
    for mask, entry in _DICTIONARIES.RepeatersDictionary.items()
)  # fmt: skip
"""Which bits of a tag tell an entry of repeating groups, what they are, and the entry."""
_VRS: Final = {tag: entry[0].split(" ", maxsplit=1)[0] for tag, entry in _ENTRIES.items()}
_TAGS: Final = {entry[4]: tag for tag, entry in _ENTRIES.items() if entry[4]}
SEQUENCE_TAGS: Final = frozenset(tag for tag, vr in _VRS.items() if vr == "SQ")


def dictionary_vr(tag: int) -> str:
    """Return the data dictionary's VR, UN for private and unknown tags, the first where it names several.

    Ref: PS3.6 §6, PS3.5 §A.1.
    """
    return _VRS.get(tag) or _other_vr(tag)


def tag_of_keyword(keyword: str) -> int | None:
    """Return the tag of an attribute by its keyword, None where the dictionary has none."""
    return _TAGS.get(keyword)


def keyword_of_tag(tag: int) -> str:
    """Return the keyword of an attribute, empty where the dictionary has none."""
    entry = _entry(tag)
    return entry[4] if entry else ""


def name_of_tag(tag: int) -> str:
    """Return the name of an attribute as the standard has it, empty where the dictionary has none."""
    entry = _entry(tag)
    return entry[2] if entry else ""


def public_vrs(tag: int) -> str:
    """Return the VR of an element, or the several that the dictionary has, as in `US or SS`; UN where it has none."""
    entry = _entry(tag)
    return entry[0] if entry else "UN"


def private_vrs(tag: int, creator: str) -> str:
    """Return the same of a private element in a block, whichever it is, that creator reserved (PS3.5 §7.8.1)."""
    known: dict[str, tuple[str, ...]] = _private_dictionaries().get(creator, {})
    name = f"{tag:08X}"
    for key in (name, f"{name[:4]}xx{name[6:]}", f"{name[:2]}xxxx{name[6:]}"):
        if key in known:
            return known[key][0]
    return "UN"


@cache
def _private_dictionaries() -> dict[str, Any]:
    return _load("_private_dict").private_dictionaries  # type: ignore[no-any-return]


def _entry(tag: int) -> tuple[str, ...] | None:
    return _ENTRIES.get(tag) or _repeated(tag)


@lru_cache(maxsize=4096)
def _repeated(tag: int) -> tuple[str, ...] | None:
    """Return the entry of an element of repeating groups, such as overlays."""
    if tag >> 16 & 1:
        return None
    return next((entry for mask, bits, entry in _REPEATING if tag & mask == bits), None)


@lru_cache(maxsize=4096)
def _other_vr(tag: int) -> str:
    """Return the VR of a group length, a private element, or one of a repeating group such as overlays."""
    if tag & 0xFFFF == 0:
        return "UL"
    if tag >> 16 & 1:
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else "UN"
    return public_vrs(tag).split(" ", maxsplit=1)[0]
