"""Random pydicom data sets: every VR, private tags, nested and empty sequences."""

from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

SYNTAXES = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")

_word = st.text("ABCXYZ", max_size=9)
_bulk = st.binary(max_size=40).map(lambda raw: raw + bytes(-len(raw) % 8))

_VALUES: dict[str, st.SearchStrategy[object]] = {
    "AE": _word, "AS": st.just("042Y"), "AT": st.integers(0, 0xFFFFFFFF), "CS": _word, "DA": st.just("20240229"),
    "DS": st.sampled_from(["1.5", "-3E2", ""]), "DT": st.just("20240229120000.5"), "FD": st.floats(allow_nan=False),
    "FL": st.floats(allow_nan=False, width=32), "IS": st.sampled_from(["12", "-7", ""]), "LO": _word, "LT": _word,
    "OB": _bulk, "OD": _bulk, "OF": _bulk, "OL": _bulk, "OV": _bulk, "OW": _bulk,
    "PN": _word.map(lambda name: name + "^A"), "SH": _word,
    "SL": st.integers(-(1 << 31), (1 << 31) - 1), "SS": st.integers(-(1 << 15), (1 << 15) - 1), "ST": _word,
    "SV": st.integers(-(1 << 63), (1 << 63) - 1), "TM": st.just("1200"), "UC": _word, "UI": st.just("1.2.3"),
    "UL": st.integers(0, (1 << 32) - 1), "UN": _bulk, "UR": st.just("http://a"), "US": st.integers(0, (1 << 16) - 1),
    "UT": _word, "UV": st.integers(0, (1 << 64) - 1),
}  # fmt: skip

PLAIN_VRS = tuple(_VALUES)

_TAGS = st.sampled_from([0x66601000 + number for number in range(8)] + [0x00091000 + number for number in range(8)])
_SEQUENCE_TAGS = st.sampled_from([0x00081140, 0x00400275, 0x00089215, 0x52009230])


@st.composite
def datasets(draw: st.DrawFn, depth: int = 3) -> Dataset:
    """A data set with plain elements and, down to a depth, sequences."""
    dataset = Dataset()
    for tag, vr in draw(st.dictionaries(_TAGS, st.sampled_from(PLAIN_VRS), max_size=5)).items():
        dataset.add_new(tag, vr, draw(_VALUES[vr]))
    if depth:
        for tag in draw(st.sets(_SEQUENCE_TAGS, max_size=2)):
            items = draw(st.lists(datasets(depth - 1), max_size=2))
            for item in items:
                item.is_undefined_length_sequence_item = draw(st.booleans())
            dataset.add_new(tag, "SQ", Sequence(items))
            dataset[tag].is_undefined_length = draw(st.booleans())
    return dataset
