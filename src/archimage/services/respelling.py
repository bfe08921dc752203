"""Little endian objects that are not compressed, with and without VRs: the data set is spelled anew around its pixels.

These stay where they lie in the stored file, whatever they are and however many, so nothing has to be kept.
"""

from typing import Final

from archimage.dicom.codecs.syntaxes import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN
from archimage.dicom.layout import UNDEFINED_LENGTH, layout_of, read_head, sniff_top
from archimage.dicom.limits import DEFAULT_LIMITS
from archimage.dicom.reencode import element_head, reencode
from archimage.errors import ExcessiveDatasetError, IntegrityError
from archimage.model.records import StoredInstance
from archimage.ports.storage import BlobReader
from archimage.services.frames import FrameService
from archimage.services.spliced import Part, SplicedReader

_SPELLINGS: Final = frozenset({IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN})
_HEAD_BYTES: Final = 12


def is_respelling(source: str, target: str) -> bool:
    """Tell whether two transfer syntaxes differ in nothing but VRs."""
    return {source, target} <= _SPELLINGS


def respelled(frames: FrameService, instance: StoredInstance, target: str, meta: bytes) -> BlobReader | None:
    """Open an instance in the other spelling, meta standing before its data set; None if its pixels are no one value.

    Raises:
        NotFoundError: the instance was removed meanwhile.
        InvalidDatasetError, ExcessiveDatasetError: it cannot be read.
        IntegrityError: the file is shorter than it was when it came.
    """
    source = instance.transfer_syntax_uid
    header, pixel = frames.header(instance), frames.pixel(instance)
    parts: list[Part] = [meta + reencode(header, source, target)]
    file = frames.open(instance)
    try:
        if pixel is not None:
            value = _value(file, instance, header)
            if value is None:
                file.close()
                return None
            trailing = reencode(_rest(file, value.stop), source, target)
            parts += [element_head(layout_of(target), pixel.tag, pixel.vr, len(value)), value, trailing]
        return SplicedReader(file, parts)
    except BaseException:
        file.close()
        raise


def _value(file: BlobReader, instance: StoredInstance, header: bytes) -> range | None:
    """Return where in the file the value of the pixel element lies, which follows the header; None if in fragments."""
    layout = layout_of(instance.transfer_syntax_uid)
    start = instance.data_set_offset + len(header)
    data = file.read(start, _HEAD_BYTES)
    head = read_head(sniff_top(layout, header) if len(header) >= _HEAD_BYTES else layout, data, 0, len(data))
    if head is None:
        raise IntegrityError(f"the file ends within the pixel element at {start}")
    if head.length == UNDEFINED_LENGTH:
        return None
    start += head.start
    if start + head.length > file.size_bytes:
        raise IntegrityError(f"the file ends within {head.length} bytes of pixels at {start}")
    return range(start, start + head.length)


def _rest(file: BlobReader, start: int) -> bytes:
    """Read what follows the pixels."""
    length = file.size_bytes - start
    if length > DEFAULT_LIMITS.max_header_bytes:
        raise ExcessiveDatasetError(f"{length} bytes follow the pixels; {DEFAULT_LIMITS.max_header_bytes} are read")
    return file.read(start, length)
