"""Rows of letters in pixels, found by their shape: no text is read here (PS3.15 §E.3.1).

Text that a device burns into an image is drawn in one value, mostly the brightest or the darkest of all. So the pixels
of such a value are taken as a mask, its connected parts as strokes, and parts of like height that stand beside one
another, on one line and close together, as a word. Anatomy makes such rows seldom; what is found is refused, not
blanked, so that an error costs an image and not a name.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

Picture = np.ndarray[Any, np.dtype[np.uint8]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]

_LEAST_HEIGHT: Final = 5
_MOST_HEIGHT: Final = 80
_LEAST_LETTERS: Final = 3
_LANE: Final = 16
"""Pixel rows; more than letters of one line may differ."""
_LEAST_CONTRAST: Final = 48
_LEVELS: Final = (160, 232, 96, 24)
"""Of text whose edges were smoothed."""
_MOST_COVERED: Final = 0.5
_MOST_PARTS: Final = 20_000
"""Parts of a mask beyond which it is noise, and no drawing."""


class Box(NamedTuple):
    """Where a connected part of a mask lies; ends excluded."""

    top: int
    left: int
    bottom: int
    right: int
    size: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left


def has_text(mask: Mask) -> bool:
    """Tell whether the set pixels of a mask (rows, columns) form a row of letters."""
    return bool(_words(mask))


def shows_text(picture: Picture) -> bool:
    """Tell whether letters stand out in a grey picture, (rows, columns) uint8."""
    return any(_stands_out(picture, mask, word) for mask in _masks(picture) for word in _words(mask))


def _masks(picture: Picture) -> Iterator[Mask]:
    """Yield where a picture may have text: its brightest, its darkest and its most frequent pixels."""
    counts = np.bincount(picture.reshape(-1), minlength=256)
    present = np.flatnonzero(counts)
    values = {int(present[0]), int(present[-1]), *(int(value) for value in np.argsort(counts)[-4:] if counts[value])}
    drawn = (picture == value for value in sorted(values))
    shaded = (picture > level if level > 127 else picture < level for level in _LEVELS)
    for mask in (*drawn, *shaded):
        if 0 < mask.mean() < _MOST_COVERED:
            yield mask


def _words(mask: Mask) -> list[list[Box]]:
    letters = [part for part in _parts(mask) if _is_letter(part)]
    return [row for row in _rows(letters) if _is_word(row)]


def _stands_out(picture: Picture, mask: Mask, word: Sequence[Box]) -> bool:
    """Tell whether a word differs from what is around its letters as ink does, and noise does not."""
    rows = slice(min(part.top for part in word), max(part.bottom for part in word))
    columns = slice(word[0].left, word[-1].right)
    ink, around = picture[rows, columns][mask[rows, columns]], picture[rows, columns][~mask[rows, columns]]
    return bool(around.size) and abs(float(np.median(ink)) - float(np.median(around))) >= _LEAST_CONTRAST


def _is_letter(part: Box) -> bool:
    if not _LEAST_HEIGHT <= part.height <= _MOST_HEIGHT or part.width > 1.6 * part.height:
        return False
    return part.size >= part.height and part.size < 0.95 * part.height * max(part.width, 2) + 2


def _rows(letters: Sequence[Box]) -> list[list[Box]]:
    """Return runs of letters beside one another: alike in height, on one line, less than a letter apart.

    Rows that may go on are found by where their last letter begins or ends, so that noise costs little.
    """
    rows: list[list[Box]] = []
    lanes: defaultdict[int, list[list[Box]]] = defaultdict(list)
    for part in sorted(letters, key=lambda part: part.left):
        row = next((row for row in _nearby(lanes, part) if _follows(row[-1], part)), None)
        if row is None:
            row = []
            rows.append(row)
        row.append(part)
        for lane in {part.top // _LANE, part.bottom // _LANE}:
            lanes[lane].append(row)
    return rows


def _nearby(lanes: dict[int, list[list[Box]]], part: Box) -> Iterator[list[Box]]:
    """Yield rows that are about where a part begins or ends, and forget those that it has left behind."""
    around = {edge // _LANE + step for edge in (part.top, part.bottom) for step in (-1, 0, 1)}
    for lane in sorted(around & lanes.keys()):
        lanes[lane] = [row for row in lanes[lane] if part.left - row[-1].right <= _MOST_HEIGHT]
        yield from lanes[lane]


def _follows(last: Box, part: Box) -> bool:
    height = max(last.height, part.height)
    gap = part.left - last.right
    base = min(abs(part.bottom - last.bottom), abs(part.top - last.top))
    return (
        -1 <= gap <= max(3, 0.9 * height)
        and base <= max(1, 0.15 * height)
        and min(last.height, part.height) >= 0.6 * height
    )


def _is_word(row: Sequence[Box]) -> bool:
    """Tell a word from a ruler: its letters differ in width or in how much of their box is filled."""
    if len(row) < _LEAST_LETTERS:
        return False
    return len({(part.width, part.size) for part in row}) >= max(3, len(row) // 3)


def _parts(mask: Mask) -> list[Box]:
    """Return the connected parts of a mask, eight neighbours; none of one that has too many."""
    rows, starts, ends = _runs(mask)
    if len(rows) > 8 * _MOST_PARTS:
        return []
    parents = list(range(len(rows)))
    first = np.searchsorted(rows, np.arange(mask.shape[0] + 1))
    for row in range(1, mask.shape[0]):
        _join(parents, starts, ends, range(first[row - 1], first[row]), range(first[row], first[row + 1]))
    return _boxes([_root(parents, run) for run in range(len(rows))], rows, starts, ends)


def _runs(mask: Mask) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return row, start and end of each run of set pixels, in order."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), np.int8)
    padded[:, 1:-1] = mask
    steps = np.diff(padded, axis=1)
    rows, starts = np.nonzero(steps == 1)
    _, ends = np.nonzero(steps == -1)
    return rows, starts, ends


def _join(parents: list[int], starts: Any, ends: Any, above: range, here: range) -> None:
    """Join runs of two neighbouring rows that touch."""
    up, run = above.start, here.start
    while up < above.stop and run < here.stop:
        if starts[up] <= ends[run] and starts[run] <= ends[up]:
            parents[_root(parents, run)] = _root(parents, up)
        if ends[up] < ends[run]:
            up += 1
        else:
            run += 1


def _root(parents: list[int], run: int) -> int:
    while parents[run] != run:
        parents[run] = parents[parents[run]]
        run = parents[run]
    return run


def _boxes(roots: Sequence[int], rows: Any, starts: Any, ends: Any) -> list[Box]:
    if not len(rows):
        return []
    names, of = np.unique(np.asarray(roots), return_inverse=True)
    size = len(names)
    top, left = np.full(size, 1 << 30), np.full(size, 1 << 30)
    bottom, right, area = np.zeros(size, int), np.zeros(size, int), np.zeros(size, int)
    np.minimum.at(top, of, rows)
    np.minimum.at(left, of, starts)
    np.maximum.at(bottom, of, rows + 1)
    np.maximum.at(right, of, ends)
    np.add.at(area, of, ends - starts)
    return [Box(*map(int, values)) for values in zip(top, left, bottom, right, area, strict=True)]
