"""Codecs of one frame each, a module a family: native, RLE, JPEG, JPEG-LS, JPEG 2000 and JPEG XL (PS3.5 §8, §A).

Each has `decode(data, description, transfer_syntax_uid)` and `encode(array, description, transfer_syntax_uid,
quality)`; `archimage.dicom.pixels` chooses between them and checks what they return.
"""
