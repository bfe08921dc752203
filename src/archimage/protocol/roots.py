"""Information models of objects without a patient: roots of query and retrieve, each over its own SOP classes.

Ref: PS3.4 Annexes U, X, BB, HH, II and KK.
"""

from dataclasses import dataclass
from typing import Final

from archimage.protocol import uids


@dataclass(frozen=True, slots=True)
class ObjectRoot:
    """A root by its name on the command line: its SOP classes of FIND, MOVE and GET, and those of its objects."""

    name: str
    find: str
    move: str
    get: str
    stored: tuple[str, ...]


OBJECT_ROOTS: Final = (
    ObjectRoot(
        "hanging-protocol",
        uids.HANGING_PROTOCOL_FIND,
        uids.HANGING_PROTOCOL_MOVE,
        uids.HANGING_PROTOCOL_GET,
        ("1.2.840.10008.5.1.4.38.1",),
    ),
    ObjectRoot(
        "color-palette",
        uids.COLOR_PALETTE_FIND,
        uids.COLOR_PALETTE_MOVE,
        uids.COLOR_PALETTE_GET,
        ("1.2.840.10008.5.1.4.39.1",),
    ),
    ObjectRoot(
        "defined-protocol",
        uids.DEFINED_PROTOCOL_FIND,
        uids.DEFINED_PROTOCOL_MOVE,
        uids.DEFINED_PROTOCOL_GET,
        ("1.2.840.10008.5.1.4.1.1.200.1", "1.2.840.10008.5.1.4.1.1.200.7"),
    ),
    ObjectRoot(
        "protocol-approval",
        uids.PROTOCOL_APPROVAL_FIND,
        uids.PROTOCOL_APPROVAL_MOVE,
        uids.PROTOCOL_APPROVAL_GET,
        ("1.2.840.10008.5.1.4.1.1.200.3",),
    ),
    ObjectRoot(
        "inventory",
        uids.INVENTORY_FIND,
        uids.INVENTORY_MOVE,
        uids.INVENTORY_GET,
        ("1.2.840.10008.5.1.4.1.1.201.1",),
    ),
    ObjectRoot(
        "implant-template",
        uids.IMPLANT_TEMPLATE_FIND,
        uids.IMPLANT_TEMPLATE_MOVE,
        uids.IMPLANT_TEMPLATE_GET,
        ("1.2.840.10008.5.1.4.43.1",),
    ),
    ObjectRoot(
        "implant-assembly",
        uids.IMPLANT_ASSEMBLY_FIND,
        uids.IMPLANT_ASSEMBLY_MOVE,
        uids.IMPLANT_ASSEMBLY_GET,
        ("1.2.840.10008.5.1.4.44.1",),
    ),
    ObjectRoot(
        "implant-template-group",
        uids.IMPLANT_TEMPLATE_GROUP_FIND,
        uids.IMPLANT_TEMPLATE_GROUP_MOVE,
        uids.IMPLANT_TEMPLATE_GROUP_GET,
        ("1.2.840.10008.5.1.4.45.1",),
    ),
)
