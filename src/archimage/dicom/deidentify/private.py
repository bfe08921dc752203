"""Private attributes that are thought to be safe: Table E.3.10-1 of PS3.15 as data.

A block is a private creator and, below it, group, element (two digits of its own) and VR. What the table lists as OB is
left out: nobody but its maker can tell what is in there, and the part itself calls such values particularly unsafe.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

_ROWS: Final = """
Philips PET Private Group:
    705300DS 705309DS
ELSCINT1:
    00E121DS 00E150DS 01E126CS 01F101CS 01F107DS 01F126DS 01F127DS
GEMS_ACQU_01:
    001923DS 001924DS 001927DS 00199ELO
GEMS_PARM_01:
    004327SH 004339IS 00436FDS
GEMS_HELIOS_01:
    004501SS 004502FL
GEMS_SERS_01:
    002507SL
GEIIS PACS:
    090310US 090311US 090312US
Philips Imaging DD 001:
    200103FL 200104CS
Philips MR Imaging DD 001:
    20050DFL 20050EFL
SIEMENS MR HEADER:
    00190CIS 00190DCS 00190EFD 001927FD
HOLOGIC, Inc.:
    7E0101LO 7E0102SH 7E0110SQ 7E0111SQ
NQHeader:
    009901UI 009902UI 009904SS 009905LT 009910FL 009920SH 009921FL
NQLeft:
    019901FL 019902FL 019903FL 019904FL 019905FL 019906FL 019907FL 019908FL 019909FL 01990AFL 01990BFL
    01990CFL 01990DFL 01990EFL 01990FFL 019910FL 019911FL 019912FL 019913FL 019914FL 019915FL 019916FL
NQRight:
    029901FL 029902FL 029903FL 029904FL 029905FL 029906FL 029907FL 029908FL 029909FL 02990AFL 02990BFL
    02990CFL 02990DFL 02990EFL 02990FFL 029910FL 029911FL 029912FL 029913FL 029914FL 029915FL 029916FL
SIEMENS Ultrasound SC2000:
    011900LO 011902SQ 011903SQ 011905UL 011906UL 011907UL 011908UL 011909SS 011910SH 011913IS 011921SH
    012900SQ 012902UI 012906SQ 012907UI 012909SQ 012911SQ 012912UI 012920SQ 012930CS
    013901SL 014901FD 014902FD 014903FD 7FD109UI
SIEMENS SYNGO ULTRA-SOUND TOYON DATA STREAMING:
    7FD109UI
"""

_NUMBERS: Final = re.compile(r"[-+0-9.eE \\]*")
_WIDTHS: Final = MappingProxyType({"SS": 2, "US": 2, "SL": 4, "UL": 4, "FL": 4, "FD": 8})


def _rows() -> dict[tuple[str, int, int], str]:
    found: dict[tuple[str, int, int], str] = {}
    creator = ""
    for line in _ROWS.strip().splitlines():
        if line.startswith(" "):
            found |= {(creator, int(row[:4], 16), int(row[4:6], 16)): row[6:] for row in line.split()}
        else:
            creator = line.rstrip(":")
    return found


SAFE_PRIVATE: Final[Mapping[tuple[str, int, int], str]] = MappingProxyType(_rows())
"""VR by private creator, group and the last two digits of the element."""


def safe_elements(dataset: Dataset) -> dict[int, str]:
    """Return the tags of the safe private attributes of a data set, with the VRs of the table, and their creators'."""
    creators = {int(tag): str(dataset[tag].value) for tag in dataset.keys() if tag.is_private_creator}  # noqa: SIM118
    found: dict[int, str] = {}
    for tag in dataset.keys():  # noqa: SIM118 - a data set iterates over its elements
        creator = int(tag) & 0xFFFF0000 | (int(tag) & 0xFFFF) >> 8
        vr = SAFE_PRIVATE.get((creators.get(creator, ""), tag.group, tag.element & 0xFF))
        if tag.is_private and tag.element > 0xFF and vr is not None:
            found |= {int(tag): vr, creator: "LO"}
    return found


def drop_lone_creators(dataset: Dataset) -> None:
    """Remove the creators of blocks that hold nothing any more."""
    blocks = {int(tag) & 0xFFFF0000 | tag.element >> 8 for tag in dataset.keys() if tag.is_private}  # noqa: SIM118
    for tag in [tag for tag in dataset.keys() if tag.is_private_creator and int(tag) not in blocks]:  # noqa: SIM118
        del dataset[tag]


def is_plausible(element: DataElement, vr: str) -> bool:
    """Tell whether a value is what the table says: numbers, not text in disguise where nobody wrote the VR down."""
    if element.VR != "UN":
        return str(element.VR) == vr
    raw = bytes(element.value or b"")
    if vr in _WIDTHS:
        return len(raw) % _WIDTHS[vr] == 0
    return vr in {"DS", "IS"} and _NUMBERS.fullmatch(raw.decode("latin-1").rstrip("\0 ")) is not None
