"""Coded entries: what a well-known code means is written anew, what a local one means is cleaned (PS3.3 §8.8)."""

import re
from functools import lru_cache
from typing import Final

from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from archimage.dicom.deidentify.values import REMOVED, dummy
from archimage.dicom.deidentify.words import Identifiers, cleaned

CODE_TAGS: Final = frozenset({0x00080100, 0x00080102, 0x00080104, 0x00080119, 0x00080120})
"""What `clean_code` takes care of: values, short, long or as URN, scheme and meaning."""

_UNITS: Final = "UCUM"
_VALUE: Final = re.compile(r"[A-Za-z0-9.\-_/%*^+\[\]{}()]{1,16}")
_LONG_VALUE: Final = re.compile(r"[A-Za-z0-9.\-_/:]{1,64}")
_UNIT: Final = re.compile(r"[A-Za-z0-9.\-_/%*^+\[\]{}():]{1,16}")


def clean_code(item: Dataset, identifiers: Identifiers) -> None:
    """Clean value, scheme and meaning of a coded entry; the rest of it is not touched."""
    for keyword in ("LongCodeValue", "URNCodeValue"):
        text = str(item.get(keyword) or "")
        if text and (not _LONG_VALUE.fullmatch(text) or identifiers.among(text)):
            item[keyword].value = REMOVED if keyword == "LongCodeValue" else dummy("UR")
    scheme, value = str(item.get("CodingSchemeDesignator") or ""), str(item.get("CodeValue") or "")
    meaning = _meanings(scheme).get(value)
    if meaning is not None:
        item.CodeMeaning = meaning
        return
    if "CodeValue" in item and value and (not _VALUE.fullmatch(value) or identifiers.among(value)):
        item.CodeValue = REMOVED
    if "CodingSchemeDesignator" in item and (identifiers.among(scheme) or len(scheme) > 16):
        item.CodingSchemeDesignator = REMOVED
    if "CodeMeaning" in item:
        text = str(item.CodeMeaning or "")
        unit = scheme == _UNITS and _UNIT.fullmatch(text) is not None and not identifiers.among(text)
        item.CodeMeaning = text if unit else cleaned(text, identifiers) or REMOVED


@lru_cache(maxsize=16)
def _meanings(scheme: str) -> dict[str, str]:
    """Return what the codes of a scheme mean; nothing of one that is not known."""
    if scheme not in codes.schemes():
        return {}
    collection = getattr(codes, scheme)
    return {code.value: code.meaning for code in (getattr(collection, keyword) for keyword in collection.dir())}
