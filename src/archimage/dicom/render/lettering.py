"""Text in pictures: the font that comes with the imaging library, and text made fit to be drawn with it."""

from functools import lru_cache
from typing import Final

from anyascii import anyascii
from PIL import ImageFont

_LAST_LATIN: Final = 0x17F
"""The font has Latin letters only; others are written in them."""
_MIN_SIZE, _MAX_SIZE = 8, 256


@lru_cache(maxsize=32)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the font whose lines are about size pixels high."""
    return ImageFont.load_default(min(max(size, _MIN_SIZE), _MAX_SIZE))


def drawable(text: str, most: int) -> str:
    """Return a line of at most so many characters, without controls, in letters that the font has."""
    shown = "".join(character if character.isprintable() else " " for character in text)
    return "".join(c if ord(c) <= _LAST_LATIN else anyascii(c) for c in shown.strip()[:most])[:most]
