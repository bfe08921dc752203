"""Colour spaces of pictures: the profiles of those that a client may ask for, and the way from one to another.

The profiles are written here: three colorants and one curve each, adapted to D50.

    header, 128 bytes | number of tags | signature, offset, length of each | their data        (ICC.1:2022 §7)

Ref: PS3.18 §8.3.5.1.5.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from struct import Struct, pack
from types import MappingProxyType
from typing import Final

import numpy as np
from PIL import Image, ImageCms

from archimage.dicom.render.images import Picture
from archimage.errors import NotAcceptableError

Colorant = tuple[float, float, float]
_HEADER: Final = Struct(">I4sI4s4s4s6H4s4sI4sIQI3I4s16s28x")
_D50: Final = (0.9642, 1.0, 0.8249)


@dataclass(frozen=True, slots=True)
class _Space:
    """A colour space: red, green and blue as XYZ, and its curve: (a x + b) ^ gamma from d on, c x below."""

    name: str
    red: Colorant
    green: Colorant
    blue: Colorant
    curve: tuple[float, float, float, float, float]


_SRGB_CURVE: Final = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_SPACES: Final[Mapping[str, _Space]] = MappingProxyType(
    {
        "srgb": _Space(
            "sRGB", (0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141), _SRGB_CURVE
        ),
        "adobergb": _Space(
            "Adobe RGB (1998)",
            (0.60974, 0.31111, 0.01947),
            (0.20528, 0.62567, 0.06087),
            (0.14919, 0.06322, 0.74457),
            (563 / 256, 1, 0, 0, 0),
        ),
        "rommrgb": _Space(
            "ROMM RGB",
            (0.79767, 0.28804, 0.0),
            (0.13519, 0.71187, 0.0),
            (0.03134, 0.00009, 0.82491),
            (1.8, 1, 0, 1 / 16, 1 / 32),
        ),
        "displayp3": _Space(
            "Display P3",
            (0.51512, 0.2412, -0.00105),
            (0.29198, 0.69225, 0.04189),
            (0.1571, 0.06657, 0.78407),
            _SRGB_CURVE,
        ),
    }
)


def in_space(picture: Picture, own: bytes | None, wanted: str | None) -> tuple[Picture, bytes | None]:
    """Return a picture and the profile to put into its file, as a client wants them.

    own is the profile of the object. None wants it as it is; "no" none; "yes" that of the object, else sRGB; a name
    the colours of that space. What has no profile of its own is taken for sRGB.

    Raises:
        NotAcceptableError: the profile of the object cannot be used.
    """
    if wanted is None:
        return picture, own
    if wanted == "no":
        return picture, None
    coloured = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    source = own if own is not None and picture.ndim == 3 else profile("srgb")
    if wanted == "yes":
        return coloured, source
    target = profile(wanted)
    return coloured if source == target else _converted(coloured, source, target), target


def _converted(picture: Picture, source: bytes, target: bytes) -> Picture:
    try:
        image = ImageCms.profileToProfile(
            Image.fromarray(picture),
            ImageCms.ImageCmsProfile(BytesIO(source)),
            ImageCms.ImageCmsProfile(BytesIO(target)),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
        )
    except (OSError, ImageCms.PyCMSError) as error:
        raise NotAcceptableError("the ICC profile of the object cannot be used: ask with iccprofile=no") from error
    return np.asarray(image)


@lru_cache(maxsize=len(_SPACES))
def profile(name: str) -> bytes:
    """Return the profile of a colour space."""
    space = _SPACES[name]
    curve = b"para\0\0\0\0\0\3\0\0" + b"".join(map(_fixed, space.curve))
    tags = {
        b"desc": _text(space.name),
        b"cprt": _text("No copyright, use freely"),
        b"wtpt": _xyz(_D50),
        b"rXYZ": _xyz(space.red),
        b"gXYZ": _xyz(space.green),
        b"bXYZ": _xyz(space.blue),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    return _written(tags)


def _written(tags: Mapping[bytes, bytes]) -> bytes:
    """Write a profile; equal tags share their data."""
    start = _HEADER.size + 4 + 12 * len(tags)
    offsets: dict[bytes, int] = {}
    data = b""
    for value in tags.values():
        if value not in offsets:
            offsets[value] = start + len(data)
            data += value + bytes(-len(value) % 4)
    table = b"".join(pack(">4sII", name, offsets[value], len(value)) for name, value in tags.items())
    white = b"".join(map(_fixed, _D50))
    head = _HEADER.pack(
        *(start + len(data), b"\0" * 4, 0x04400000, b"mntr", b"RGB ", b"XYZ "),
        *(2026, 1, 1, 0, 0, 0, b"acsp", b"\0" * 4, 0, b"\0" * 4, 0, 0, 1),
        *(int.from_bytes(white[place : place + 4], "big") for place in (0, 4, 8)),
        *(b"\0" * 4, b"\0" * 16),
    )
    return head + pack(">I", len(tags)) + table + data


def _fixed(number: float) -> bytes:
    return pack(">i", round(number * 65536))


def _xyz(colorant: Colorant) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(_fixed, colorant))


def _text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return pack(">4s4xII2s2sII", b"mluc", 1, 12, b"en", b"US", len(encoded), 28) + encoded
