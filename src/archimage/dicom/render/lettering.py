"""Text in pictures: DejaVu Sans where the system has it, else the plain font that comes with the imaging library.

Letters that the font lacks are transcribed, so that a name can be read in any case.
"""

from functools import lru_cache
from typing import Final

from anyascii import anyascii
from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_WIDE: Final = "DejaVuSans.ttf"
"""Latin, Greek, Cyrillic, Arabic, Hebrew; looked for where the system keeps its fonts. The plain one has ASCII only."""
_MIN_SIZE, _MAX_SIZE = 8, 256
_TRIED_SIZE: Final = 16
_NO_CHARACTER: Final = "\uffff"


@lru_cache(maxsize=64)
def font(size: int) -> Font:
    """Return the font whose lines are about size pixels high."""
    size = min(max(size, _MIN_SIZE), _MAX_SIZE)
    try:
        return ImageFont.truetype(_WIDE, size)
    except OSError:
        return ImageFont.load_default(size)


def drawable(text: str, most: int) -> str:
    """Return a line of at most so many characters, without controls, in letters that the font has."""
    shown = "".join(character if character.isprintable() else " " for character in text)
    return "".join(c if c.isascii() or _has_glyph(c) else anyascii(c) for c in shown.strip()[:most])[:most]


@lru_cache(maxsize=4096)
def _has_glyph(character: str) -> bool:
    letters = font(_TRIED_SIZE)
    return bytes(letters.getmask(character)) != bytes(letters.getmask(_NO_CHARACTER))
