"""Which words of a text may stay: those of medicine and technique that are no identifiers of the object.

What may stay is looked up, and what must go is not guessed: a word that nobody knows goes. Known are the words of the
coded concepts that pydicom brings along (DCM, SCT, UCUM and others) and those below; a number stays with its unit.
Identifiers are the words of names, IDs and the like in the object itself. They go even where they are known words,
and even out of what the table keeps.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from pydicom.sr.codedict import codes

_WORD: Final = re.compile(r"[^\W_]+")
_HUMP: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_TECHNICAL: Final = re.compile(
    r"t[12](w|wi)?|b[0-9]{1,4}|[23]d|[lctsl][0-9]{1,2}"
    r"|[0-9]{1,4}(mm|cm|ms|s|sec|min|kv|kvp|ma|mas|deg|hz|mhz|ml|mg|t|fps|d)"
)
_UNITS: Final = frozenset(
    ["mm", "cm", "ms", "s", "sec", "min", "kv", "kvp", "ma", "mas", "deg", "hz", "mhz", "ml", "mg", "fps"]
)
_DECIMAL: Final = re.compile(r"[0-9]{1,4}(\.[0-9]{1,3})?")
_LEAST_INNER: Final = 5
"""Letters of an identifier that is looked for inside other words."""

_MORE: Final = """
    a abd abdomen acquisition after and angio ankle annotation ant anterior ap apical arterial artery at average
    ax axial axis b baseline before bilateral biopsy body bolus bone brain breast bw by calcium cardiac cc
    cerebral cervical chest cine color colour contrast cor coronal coronary corrected cr ct cta curved cxr delayed
    derived dicom diffusion display dixon doppler dose drf dry dual dwi dx dyn dynamic early ecg echo elbow
    enhanced epi erect exam examination expiration extremity fast fat femur filter finding fine fl flair flow
    fluoro follow foot for fov frame frames from frontal fs full fused fusion gated gradient gre hand hd head hip
    hr hrct image images in inferior inner inspiration iv kidney knee label lao lat lateral left leg level limb
    lines liver loc local localiser localizer loop low lt lumbar lung lungs magnitude map mask max maximum
    measurement measurements mediastinum mg min minimum mip mlo mode motion mpr mr mra mri multi multiplanar nativ
    native neck no node noise non normal oblique of off on op opacity or organ organs out outer pa par parallel
    patient pelvis perfusion pet phase plain plane post posterior pre prone protocol proton pulmonary quality
    quick rao recon reconstruction ref reference report resolution rest result results rib right rotation routine
    rt sag sagittal sat scan scanogram scout sections seg segmentation sense sequence serie series setup sharp
    short shot shoulder side slab slice slices smooth soft spectroscopy spin spine stack standard standing static
    std stir stress study sub subtraction supine surface survey swi syngo table test thick thin thoracic thorax
    three tibia time tissue to tof topogram total trace transverse tse two ultrasound unenhanced up upper us vein
    venous ventricle view views volume vrt wb weighted whole window with without wo wrist x xr xray year years
"""


class Identifiers:
    """Words that identify somebody, whatever else they may mean."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)
        inner = sorted((word for word in self._words if len(word) >= _LEAST_INNER), key=len, reverse=True)
        self._inner = re.compile("|".join(map(re.escape, inner)), re.IGNORECASE) if inner else None

    def __contains__(self, word: str) -> bool:
        return word.casefold() in self._words or (self._inner is not None and self._inner.search(word) is not None)

    def without(self, text: str) -> str:
        """Return a text without them, the rest as it is."""
        kept = _WORD.sub(lambda found: "" if found[0].casefold() in self._words else found[0], text)
        return self._inner.sub("", kept) if self._inner is not None else kept

    def among(self, text: str, least: int = 1) -> bool:
        """Tell whether a text holds any of so many letters at least."""
        words = (found[0] for found in _WORD.finditer(text))
        return any(len(word) >= least and word in self for word in words)


def words_of(text: str) -> Iterable[str]:
    """Yield the words of a value that identifies somebody: of two letters or more, or three digits or more."""
    for found in _WORD.finditer(text):
        word = found[0].casefold()
        if len(word) >= (3 if word.isdigit() else 2):
            yield word


def cleaned(text: str, identifiers: Identifiers) -> str:
    """Return of a text what may stay, a space between the words; line ends stay."""
    return "\n".join(_cleaned_line(line, identifiers) for line in text.splitlines()).strip("\n")


def _cleaned_line(line: str, identifiers: Identifiers) -> str:
    parts = line.split()
    kept = []
    for place, part in enumerate(parts):
        bare = part.strip(".,;:()[]!?\"'")
        after = parts[place + 1].strip(".,;:()[]!?\"'").casefold() if place + 1 < len(parts) else ""
        if _DECIMAL.fullmatch(bare) and after in _UNITS and bare not in identifiers:
            kept.append(bare)
            continue
        kept += [found[0] for found in _WORD.finditer(bare) if _may_stay(found[0], identifiers)]
    return " ".join(kept)


def _may_stay(word: str, identifiers: Identifiers) -> bool:
    known = word.casefold() in vocabulary() or _TECHNICAL.fullmatch(word.casefold()) is not None
    return known and word not in identifiers


@lru_cache(maxsize=1)
def vocabulary() -> frozenset[str]:
    """Return every word that is known, in small letters."""
    words = {*_MORE.split(), *_UNITS}
    for scheme in codes.schemes():
        for keyword in getattr(codes, scheme).dir():
            words.update(hump.casefold() for hump in _HUMP.findall(keyword) if len(hump) > 2 and hump.isalpha())
    return frozenset(words)
