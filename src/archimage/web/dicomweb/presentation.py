"""Presentation states as resources: a picture of one is that of the image it refers to, as it says.

Ref: PS3.18 §10.4.1.1.3; PS3.3 §A.33.
"""

from dataclasses import replace
from typing import Final

from archimage.dicom.bulk import BulkPath
from archimage.dicom.layout import DEFLATED_SYNTAXES
from archimage.dicom.render.options import RenderOptions
from archimage.errors import NotAcceptableError, NotFoundError
from archimage.model.ids import is_uid
from archimage.model.records import StoredInstance
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from archimage.web.dicomweb.resources import DicomWebRequest

_STATES: Final = frozenset(f"1.2.840.10008.5.1.4.1.1.11.{number}" for number in (1, 2))
"""Grayscale and color softcopy presentation states."""
_REFERENCED_IMAGE: Final = (0x00081115, 1, 0x00081140, 1)
_SOP_INSTANCE_UID: Final = 0x00081155
_FRAME_NUMBER: Final = 0x00081160
MOST_BYTES: Final = 1 << 20


def is_state(instance: StoredInstance) -> bool:
    """Tell whether an instance is a presentation state that images can be shown under."""
    return instance.sop_class_uid in _STATES


def stated(
    request: DicomWebRequest, instance: StoredInstance, options: RenderOptions
) -> tuple[tuple[StoredInstance, int], RenderOptions] | None:
    """Return the image and frame that a presentation state refers to, and how to show it; None of others; blocks.

    The frame is 0 where the state means all of the image.

    Raises:
        NotAcceptableError: it refers to nothing that is kept here.
    """
    if not is_state(instance):
        return None
    uid = _text(request, instance, (*_REFERENCED_IMAGE, _SOP_INSTANCE_UID))
    try:
        image = request.services.frames.instance(request.variables.get("study"), None, uid) if is_uid(uid) else None
    except NotFoundError:
        image = None
    if image is None:
        raise NotAcceptableError("the image that the presentation state is for is not kept here")
    number = _text(request, instance, (*_REFERENCED_IMAGE, _FRAME_NUMBER)).partition("\\")[0].strip()
    frame = int(number) if number.isascii() and number.isdigit() and len(number) < 9 else 0
    return (image, frame), under(request, instance, options)


def under(request: DicomWebRequest, state: StoredInstance, options: RenderOptions) -> RenderOptions:
    """Return options with a presentation state; blocks.

    Raises:
        NotAcceptableError: the instance is none, or too large.
    """
    if not is_state(state):
        raise NotAcceptableError("the instance is no presentation state that images can be shown under")
    if state.size_bytes > MOST_BYTES:
        raise NotAcceptableError(f"a presentation state of {state.size_bytes} bytes; {MOST_BYTES} are read")
    syntax = state.transfer_syntax_uid
    if syntax in DEFLATED_SYNTAXES:
        syntax = EXPLICIT_VR_LITTLE_ENDIAN
    return replace(options, presentation=request.services.frames.header(state), presentation_syntax=syntax)


def _text(request: DicomWebRequest, instance: StoredInstance, path: BulkPath) -> str:
    try:
        with request.services.frames.bulk(instance, path) as value:
            return value.read(0, 256).decode("latin-1").strip(" \0")
    except NotFoundError:
        return ""
