"""One frame as it is to be seen, in the order of PS3.4 §N.2 and PS3.18 §8.3.5.

stored cells -> modality LUT -> VOI LUT -> presentation LUT  (or palette, or true colour)
             -> shutters -> overlays -> rotation, displayed area, viewport -> graphics, text
"""

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from archimage.dicom.render.annotation import burned_in
from archimage.dicom.render.attributes import FrameAttributes, bytes_of, integer_of, items_of, values_of
from archimage.dicom.render.geometry import Layout
from archimage.dicom.render.graphics import annotated, in_ink, layers_of, level
from archimage.dicom.render.grayscale import Array, windowed
from archimage.dicom.render.images import Picture
from archimage.dicom.render.options import RenderOptions
from archimage.dicom.render.overlays import GROUPS, Mask, burned, overlay_mask, overlay_masks
from archimage.dicom.render.pipeline import Pipeline
from archimage.dicom.render.presentation import PresentationState, aspect_of
from archimage.dicom.render.shutters import shuttered
from archimage.errors import InvalidDatasetError

_SPACINGS: Final = ("PixelAspectRatio", "PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_MOST_PROFILE_BYTES: Final = 4 << 20


def render_frame(
    header: Dataset, frame: Array, photometric: str, frame_number: int, options: RenderOptions
) -> npt.NDArray[np.uint8]:
    """Return one frame as it is to be seen: (rows, columns) grey, or (rows, columns, 3) red, green, blue.

    header is the data set without its pixels; frame holds the decoded stored cells, (rows, columns[, samples]), and
    photometric says what they are after decoding, which may differ from the header. frame_number counts from 1.

    Raises:
        InvalidDatasetError: attributes that the picture needs are missing, or cannot be read.
        InvalidRequestError: the viewport's region lies outside of the image.
        NotAcceptableError: there is no way to show such pixels, or the presentation state is not for them.
        ExcessiveDatasetError, UnsupportedTransferSyntaxError: the presentation state cannot be decoded.
    """
    if frame.size == 0 or frame.ndim not in {2, 3}:
        raise InvalidDatasetError("the image has no pixels")
    attributes = FrameAttributes(header, frame_number)
    pipeline = Pipeline.of(attributes, photometric)
    if options.window is not None:
        pipeline = replace(pipeline, asked=windowed(*options.window))
    if options.presentation is None:
        picture = _own_look(attributes, pipeline, frame, options)
    else:
        state = PresentationState.decode(options.presentation, options.presentation_syntax, attributes)
        picture = _stated_look(attributes, pipeline.under(state), frame, options, state)
    return burned_in(picture, attributes, options.annotation)


def _own_look(attributes: FrameAttributes, pipeline: Pipeline, frame: Array, options: RenderOptions) -> Picture:
    """Return the frame as its own attributes say."""
    picture = shuttered(pipeline.picture(frame), attributes.source("FrameDisplayShutterSequence"))
    picture = burned(picture, overlay_masks(attributes.header, frame, attributes.number))
    if options.viewport is None:
        return picture
    layout = Layout.whole(frame.shape[1], frame.shape[0])
    return layout.viewed(options.viewport, _pixel_aspect(attributes)).shown(picture)


def _pixel_aspect(attributes: FrameAttributes) -> float:
    """Return a pixel's height divided by its width."""
    sources = attributes.header, attributes.source("PixelMeasuresSequence")
    aspects = (aspect_of(source, key) for source in sources for key in _SPACINGS)
    return next((aspect for aspect in aspects if aspect is not None), 1.0)


def _stated_look(
    attributes: FrameAttributes, pipeline: Pipeline, frame: Array, options: RenderOptions, state: PresentationState
) -> Picture:
    """Return the frame as a presentation state says."""
    picture = shuttered(pipeline.picture(frame), state.dataset, _bitmap_shutter(state, frame))
    picture = _layered(picture, attributes, frame, state)
    layout, scale, aspect = state.layout(Layout.whole(frame.shape[1], frame.shape[0]))
    if options.viewport is None:
        layout = layout.sized(scale, scale * aspect)
    else:
        layout = layout.viewed(options.viewport, aspect)
    return annotated(layout.shown(picture), state, layout)


def _bitmap_shutter(state: PresentationState, frame: Array) -> Mask | None:
    group = integer_of(state.dataset, "ShutterOverlayGroup")
    if "BITMAP" not in values_of(state.dataset, "ShutterShape") or group not in GROUPS:
        return None
    return overlay_mask(state.dataset, frame, 1, group)


def _layered(picture: Picture, attributes: FrameAttributes, frame: Array, state: PresentationState) -> Picture:
    """Return the picture with the overlays that the state puts on a layer, its own and the image's."""
    layers = layers_of(state)
    active = sorted((layers[name], group) for group in GROUPS if (name := state.layer_of(group)) in layers)
    picture = in_ink(picture, [layer.ink for layer, _ in active])
    for layer, group in active:
        own = overlay_masks(state.dataset, frame, attributes.number, [group])
        masks = own or overlay_masks(attributes.header, frame, attributes.number, [group])
        picture = burned(picture, masks, level(picture, layer.ink))
    return picture


def icc_profile_of(header: Dataset) -> bytes | None:
    """Return the ICC profile of a colour image or of its first optical path, None when it has none.

    One of more than 4 MiB is left out. Ref: PS3.3 §C.11.15.

    Raises:
        InvalidDatasetError: it cannot be read.
    """
    sources = [header, *items_of(header, "OpticalPathSequence")[:1]]
    profiles = (bytes_of(source, "ICCProfile") for source in sources)
    return next((profile for profile in profiles if 0 < len(profile) <= _MOST_PROFILE_BYTES), None)
