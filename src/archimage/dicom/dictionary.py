"""The data dictionary (PS3.6 §6): which VR an element has.

The table is pydicom's, with the keywords that attributes go by. It is loaded without the package around it, which
brings NumPy and the pixel codecs: a command that sends one file would wait for them longer than for its peer.
"""

from functools import lru_cache
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Final


def _table() -> dict[int, tuple[str, str]]:
    """Load tag -> VR and keyword, the first VR where the dictionary names several."""
    package = find_spec("pydicom")
    assert package is not None and package.origin is not None  # noqa: S101, PT018
    module = ModuleType("_dicom_dict")
    SourceFileLoader("_dicom_dict", str(Path(package.origin).with_name("_dicom_dict.py"))).exec_module(module)
    return {tag: (entry[0].split(" ", maxsplit=1)[0], entry[4]) for tag, entry in module.DicomDictionary.items()}


_ENTRIES: Final = _table()
_VRS: Final = {tag: vr for tag, (vr, _) in _ENTRIES.items()}
_TAGS: Final = {keyword: tag for tag, (_, keyword) in _ENTRIES.items() if keyword}
SEQUENCE_TAGS: Final = frozenset(tag for tag, vr in _VRS.items() if vr == "SQ")


def dictionary_vr(tag: int) -> str:
    """Return the data dictionary's VR, UN for private and unknown tags, the first where it names several.

    Ref: PS3.6 §6, PS3.5 §A.1.
    """
    return _VRS.get(tag) or _other_vr(tag)


def tag_of_keyword(keyword: str) -> int | None:
    """Return the tag of an attribute by its keyword, None where the dictionary has none."""
    return _TAGS.get(keyword)


@lru_cache(maxsize=4096)
def _other_vr(tag: int) -> str:
    """Return the VR of a group length, a private element, or one of a repeating group such as overlays."""
    if tag & 0xFFFF == 0:
        return "UL"
    if tag >> 16 & 1:
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else "UN"
    from pydicom.datadict import dictionary_VR

    try:
        return str(dictionary_VR(tag)).split(" ", maxsplit=1)[0]
    except KeyError:
        return "UN"
