"""What to propose for a C-GET: an association holds too few contexts for every kind of object that there is.

Ref: PS3.4 §C.4.3; PS3.8 §7.1.1.13.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from archimage.errors import ArchimageError, AssociationAbortedError, AssociationRejectedError
from archimage.net.client import ClientAssociation
from archimage.net.proposals import MAX_CONTEXTS, UNCOMPRESSED, for_services
from archimage.protocol import uids
from archimage.protocol.negotiation import PresentationContext
from archimage.services.keys import decode_keys

_CONTEXTS: Final = MAX_CONTEXTS - 2
_COMMON: Final = (
    "CT Image Storage", "MR Image Storage", "Computed Radiography Image Storage", "Secondary Capture Image Storage",
    "Digital X-Ray Image Storage - For Presentation", "Digital Mammography X-Ray Image Storage - For Presentation",
    "Ultrasound Image Storage", "Ultrasound Multi-frame Image Storage", "X-Ray Angiographic Image Storage",
    "X-Ray Radiofluoroscopic Image Storage", "Positron Emission Tomography Image Storage",
    "Nuclear Medicine Image Storage", "Enhanced CT Image Storage", "Enhanced MR Image Storage", "Segmentation Storage",
    "RT Image Storage", "RT Dose Storage", "RT Structure Set Storage", "RT Plan Storage", "Encapsulated PDF Storage",
    "Grayscale Softcopy Presentation State Storage", "Key Object Selection Document Storage", "Enhanced SR Storage",
    "Comprehensive SR Storage", "Basic Text SR Storage",
)  # fmt: skip
"""SOP classes asked for from a peer that does not tell which ones it keeps."""
_FIRST: Final = (
    uids.JPEG_BASELINE, uids.JPEG_LOSSLESS_SV1, uids.JPEG_2000_LOSSLESS, uids.JPEG_2000, uids.JPEG_EXTENDED,
    uids.RLE_LOSSLESS, uids.JPEG_LS_LOSSLESS,
)  # fmt: skip

Associate = Callable[[Sequence[PresentationContext]], Awaitable[ClientAssociation]]
"""Opens an association that proposes these contexts."""


async def kept_classes(associate: Associate, sop_class_uid: str, query: Callable[[str], bytes]) -> list[str]:
    """Ask by C-FIND which SOP classes will come; empty if the peer does not tell.

    query encodes the identifier in a transfer syntax: it asks at level IMAGE for the SOP Class UID.

    Raises:
        ConnectionFailedError, TimerExpiredError: it cannot be reached.
    """
    try:
        association = await associate(for_services(sop_class_uid))
    except (AssociationRejectedError, AssociationAbortedError):
        return []
    try:
        async with association:
            syntax = association.context(sop_class_uid).transfer_syntax
            found = {
                decode_keys(match, syntax).get("SOPClassUID")
                async for match in association.find(sop_class_uid, query(syntax))
            }
    except ArchimageError:
        return []
    return sorted(str(uid) for uid in found if uid)


def storage_pairs(kept: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Pair each SOP class with the syntaxes it may come in, compressed ones in own contexts, as many as fit."""
    others = dict.fromkeys((*_FIRST, *uids.TRANSFER_SYNTAXES))
    groups = (UNCOMPRESSED, *((syntax,) for syntax in others if syntax not in UNCOMPRESSED))
    classes = kept[:_CONTEXTS] or [uid for uid, name in uids.STORAGE_SOP_CLASSES.items() if name in _COMMON]
    each = max(1, _CONTEXTS // len(classes))
    return [(uid, syntaxes) for uid in classes for syntaxes in groups[:each]]
