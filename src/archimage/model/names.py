"""Search keys of person names, for every script.

A stored PN value has keys of three kinds, made from each of its component groups (alphabetic, ideographic, phonetic):

- FORM: the whole group, folded: case and accents gone, components trimmed, empty ones at the end dropped. One in its
  own script, one in Latin letters, and one with the umlauts written out (`muller`, `mueller`).
- WORD: each word of those forms, for fuzzy matching by the beginning of any word in any order.
- SOUND: a phonetic key of each Latin word: its consonants as Soundex classes, neighbours of one class merged, vowels,
  h, w and y dropped; unlike Soundex the first letter is a class too and nothing is cut off. Schmidt, Smith and Smyth
  are `253`. Keys of one class are too vague and are left out.

Ref: PS3.5 §6.2.1, PS3.4 §C.2.2.2.1 (case and accents are the implementation's choice).
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from anyascii import anyascii

FORM: Final = "F"
WORD: Final = "W"
SOUND: Final = "S"

_UMLAUTS: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})
_ACCENTS: Final = re.compile("[\u0300-\u036f]")
_LONGEST: Final = 1_024
_MOST_WORDS: Final = 64
"""The whole value stands beside each of its keys: one that a peer made as long as it liked would fill the disk."""
_BREAKS: Final = re.compile(r"[\s^=*?,.\-'\\]+")
_SPACE: Final = re.compile(r"\s+")
_CLASSES: Final = {
    letter: digit
    for digit, letters in enumerate(("aeiou", "bfpv", "cgjkqsxz", "dt", "l", "mn", "r"))
    for letter in letters
}


def fold(text: str) -> str:
    """Fold text in its own script: compatibility forms, case and accents gone."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", _ACCENTS.sub("", decomposed)).casefold()


def latin(text: str) -> str:
    """Fold text into Latin letters."""
    return anyascii(text).casefold()


def expanded(text: str) -> str:
    """Fold text into Latin letters, umlauts written out."""
    return latin(unicodedata.normalize("NFC", text).casefold().translate(_UMLAUTS))


def _tidy(group: str) -> str:
    """Trim the components of a group and drop the empty ones at its end."""
    return "^".join(_SPACE.sub(" ", part).strip() for part in group.split("^")).rstrip("^")


def _groups(value: str) -> Iterator[str]:
    """Walk the component groups of a PN value, or of several joined with a backslash."""
    for one in value.split("\\"):
        yield from filter(None, map(_tidy, one.split("=")))


def _forms(group: str) -> set[str]:
    """Return the folded forms of a group."""
    return {_tidy(form) for form in (fold(group), latin(group), expanded(group))} - {""}


def _words(forms: Iterable[str]) -> set[str]:
    """Return the words of folded forms."""
    return {word for form in forms for word in _BREAKS.split(form) if word}


def sound(word: str) -> str:
    """Return the phonetic key of a folded Latin word; empty where it has too few consonants."""
    key, last = "", -1
    for letter in word.replace("ph", "f"):
        code = _CLASSES.get(letter, -1)
        if code > 0 and code != last:
            key += str(code)
        if letter not in "hw":
            last = code
    return key if len(key) > 1 else ""


def keys(value: str) -> set[tuple[str, str]]:
    """Return the (kind, key) pairs of a stored PN value; none of one that is far too long to be a name."""
    if len(value) > _LONGEST:
        return set()
    forms = {form for group in _groups(value) for form in _forms(group)}
    words = set(sorted(_words(forms))[:_MOST_WORDS])
    found = {(FORM, form) for form in forms} | {(WORD, word) for word in words}
    return found | {(SOUND, key) for word in words if word.isascii() and (key := sound(word))}


def query_forms(value: str, *, wild: bool) -> list[set[str]]:
    """Return for each component group of a query value its possible forms; with wild, wildcards stay as they are.

    A group in ideographs is looked for only as such: its romanisation would find strangers.
    """
    return [
        {_tidy(_piecewise(fit, group) if wild else fit(group)) for fit in _foldings(group)} - {""}
        for group in _groups(value)
    ]


def query_words(value: str) -> list[set[str]]:
    """Return for each word of a query value its possible foldings."""
    words = filter(None, _BREAKS.split(value))
    return [set(_words(fit(word) for fit in _foldings(word))) for word in words]


def _foldings(text: str) -> tuple[Callable[[str], str], ...]:
    """Choose the foldings of a query's text."""
    if any(unicodedata.name(character, "").startswith("CJK") for character in text):
        return (fold,)
    return (fold, latin, expanded)


def _piecewise(folding: Callable[[str], str], pattern: str) -> str:
    """Fold what stands between wildcards, so that no folding makes or loses one."""
    return "".join(
        piece if piece in ("*", "?") else folding(piece).translate({ord("*"): None, ord("?"): None})
        for piece in re.split(r"([*?])", pattern)
    )
