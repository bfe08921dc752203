"""What a compressed object was when it came, as JSON: in the ingest journal, and in its file, for an index made anew.

In the file it is the Private Information of the File Meta Information, which is no part of the object (PS3.10 §7.1).
"""

from collections.abc import Mapping
from typing import Any

import orjson

from archimage.dicom.part10 import FileMeta
from archimage.model.records import Original
from archimage.protocol.uids import IMPLEMENTATION_CLASS_UID


def private_information(original: Original) -> bytes:
    """Return what stands in the file of the compressed object."""
    return orjson.dumps(original, default=bytes.hex)


def original_in(meta: FileMeta) -> Original | None:
    """Return what a file of ours says of its object before it was compressed, None where it says nothing."""
    if meta.private_creator_uid != IMPLEMENTATION_CLASS_UID or not meta.private_information:
        return None
    try:
        return original_of(orjson.loads(meta.private_information))
    except (ValueError, TypeError, KeyError):
        return None


def original_of(fields: Mapping[str, Any]) -> Original:
    """Make the value of what JSON holds of it."""
    return Original(fields["transfer_syntax_uid"], fields["size_bytes"], bytes.fromhex(fields["sha256"]))
