"""Pictures of images: stored pixels through the standard's pipelines to 8 bits, and into a file for a browser.

`frames` runs the pipeline, `images` writes files, `options` says what a caller may ask for. Nothing here reads a
codestream: frames come decoded.

Ref: PS3.4 §N.2, PS3.3 §C.11, PS3.18 §8.3.5.
"""
