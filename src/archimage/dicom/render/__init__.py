"""Pictures of images: stored pixels through the standard's pipelines to 8 bits, and into a file for a browser.

`frames` runs the pipeline, `images` writes files, `options` says what a caller may ask for. Nothing here reads a
codestream: frames come decoded.

Ref: PS3.4 §N.2, PS3.3 §C.11, PS3.18 §8.3.5.
"""

from archimage.dicom.render.frames import icc_profile_of, render_frame
from archimage.dicom.render.header import decode_header
from archimage.dicom.render.images import encode_gif, encode_image
from archimage.dicom.render.options import RenderOptions, Viewport

__all__ = ["RenderOptions", "Viewport", "decode_header", "encode_gif", "encode_image", "icc_profile_of", "render_frame"]
