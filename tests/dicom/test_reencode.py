"""Data sets keep what they say in every encoding of elements, and change only where they are told to."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from archimage.dicom.encode import decode_identifier, encode_dataset, encode_elements, encode_items
from archimage.dicom.layout import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from archimage.dicom.limits import ScanLimits
from archimage.dicom.reencode import element_head, plain_syntax, reencode
from archimage.errors import ExcessiveDatasetError, InvalidDatasetError, UnsupportedTransferSyntaxError
from tests.dicom.encoded import element, item, long_element, pixels, sequence
from tests.dicom.strategies import SYNTAXES, datasets

IMPLICIT, EXPLICIT, BIG, DEFLATED = SYNTAXES
JPEG, JPEG_2000 = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90"


def standard(random: Dataset) -> Dataset:
    """Leave out what implicit VR cannot carry: the VRs of tags that no dictionary has."""
    kept = Dataset()
    for found in random:
        if found.VR == "SQ":
            kept.add_new(found.tag, "SQ", Sequence(standard(one) for one in found.value))
    kept.PatientName, kept.Rows, kept.PixelSpacing = "A^B", 512, [0.5, 0.25]
    kept.FrameIncrementPointer, kept.PixelRepresentation, kept.SmallestImagePixelValue = 0x00181063, 1, -5
    kept.DoubleFloatRealWorldValueFirstValueMapped = 1.25
    return kept


@pytest.mark.parametrize("source", [EXPLICIT, BIG])
@pytest.mark.parametrize("target", [EXPLICIT, BIG])
@settings(max_examples=60, deadline=None)
@given(random=datasets())
def test_explicit_data_sets_say_the_same_in_the_other_byte_order(source: str, target: str, random: Dataset) -> None:
    for found in list(random.iterall()):
        if found.VR in {"OW", "OF", "OD", "OL", "OV"}:  # pydicom leaves their words as they are
            found.VR = "OB"
    encoded = reencode(encode_dataset(random, source), source, target)
    assert encoded == encode_dataset(random, target)


@pytest.mark.parametrize("source", [IMPLICIT, EXPLICIT, BIG])
@pytest.mark.parametrize("target", [IMPLICIT, EXPLICIT, BIG])
@settings(max_examples=40, deadline=None)
@given(random=datasets())
def test_attributes_of_the_dictionary_say_the_same_in_every_encoding(source: str, target: str, random: Dataset) -> None:
    dataset = standard(random)
    assert reencode(encode_dataset(dataset, source), source, target) == encode_dataset(dataset, target)


@settings(max_examples=60, deadline=None)
@given(random=datasets())
def test_what_implicit_vr_does_not_tell_becomes_unknown_and_comes_back(random: Dataset) -> None:
    implicit = encode_dataset(random, IMPLICIT)
    assert reencode(reencode(implicit, IMPLICIT, EXPLICIT), EXPLICIT, IMPLICIT) == implicit


def test_words_are_turned_and_bytes_are_not() -> None:
    data = long_element(0x00281201, b"OW", b"\1\2\3\4") + long_element(0x00420011, b"OB", b"\1\2\3\4")
    data += long_element(0x00660016, b"OF", bytes(range(8))) + long_element(0x00720071, b"OD", bytes(range(8)))
    turned = reencode(data, EXPLICIT, BIG)
    assert b"\2\1\4\3" in turned
    assert b"\1\2\3\4" in turned
    assert bytes([3, 2, 1, 0, 7, 6, 5, 4]) in turned
    assert bytes(range(7, -1, -1)) in turned
    assert reencode(turned, BIG, EXPLICIT) == data


def test_private_elements_are_named_by_their_creator() -> None:
    known = Dataset()
    known.add_new(0x00190010, "LO", "SIEMENS MR HEADER")
    known.add_new(0x0019100C, "IS", "1000")
    known.add_new(0x00191099, "UN", b"what?!")
    again = decode_identifier(reencode(encode_dataset(known, IMPLICIT), IMPLICIT, EXPLICIT), EXPLICIT)
    assert [again[tag].VR for tag in (0x00190010, 0x0019100C)] == ["LO", "IS"]
    assert again == known


def test_a_value_too_long_for_its_vr_becomes_unknown() -> None:
    dataset = Dataset()
    dataset.add_new(0x00104000, "LT", "x" * 70_000)
    encoded = reencode(encode_dataset(dataset, IMPLICIT), IMPLICIT, EXPLICIT)
    assert encoded[4:8] == b"UN\0\0"
    assert reencode(encoded, EXPLICIT, IMPLICIT) == encode_dataset(dataset, IMPLICIT)


def test_unknown_sequences_are_copied() -> None:
    inner = item(element(0x00100010, b"PN", b"A^").replace(b"PN\2\0", b"\2\0\0\0"))
    data = long_element(0x00091001, b"UN", inner + item(b"", 0xE0DD), 0xFFFFFFFF) + element(0x00100020, b"LO", b"1 ")
    assert reencode(data, EXPLICIT, EXPLICIT) == data
    implicit = reencode(data, EXPLICIT, IMPLICIT)
    assert inner in implicit
    assert reencode(implicit, IMPLICIT, EXPLICIT) == data
    assert inner in reencode(data, EXPLICIT, BIG)


def test_elements_are_replaced_added_and_left_out() -> None:
    before = (
        element(0x00080016, b"UI", b"1.2\0") + element(0x00100020, b"LO", b"1 ") + element(0x00280010, b"US", b"\1\0")
    )
    new = {tag: encode_elements([(tag, "LO", b"new")], EXPLICIT) for tag in (0x00080070, 0x00100020, 0x00400001)}
    changed = decode_identifier(reencode(before, EXPLICIT, EXPLICIT, replaced={**new, 0x00280010: b""}), EXPLICIT)
    assert [int(found.tag) for found in changed] == [0x00080016, 0x00080070, 0x00100020, 0x00400001]
    assert changed.PatientID == "new"


@pytest.mark.parametrize("target", [IMPLICIT, EXPLICIT, BIG])
@pytest.mark.parametrize("undefined", [False, True])
def test_items_are_added_to_sequences(target: str, *, undefined: bool) -> None:
    before = sequence(0x00082112, element(0x00081155, b"UI", b"1.2\0"), undefined=undefined)
    added = encode_items([[(0x00081155, "UI", b"3.4")]], target)
    changed = decode_identifier(
        reencode(before, EXPLICIT, target, appended={0x00082112: added, 0x00089215: added}), target
    )
    assert [one.ReferencedSOPInstanceUID for one in changed.SourceImageSequence] == ["1.2", "3.4"]
    assert len(changed.DerivationCodeSequence) == 1


def test_what_should_be_a_sequence_is_made_one() -> None:
    added = encode_items([[(0x00081155, "UI", b"3.4")]], EXPLICIT)
    before = element(0x00082112, b"LO", b"none")
    changed = decode_identifier(reencode(before, EXPLICIT, EXPLICIT, appended={0x00082112: added}), EXPLICIT)
    assert changed.SourceImageSequence[0].ReferencedSOPInstanceUID == "3.4"


def test_group_lengths_of_changed_groups_are_left_out() -> None:
    length = element(0x00080000, b"UL", b"\4\0\0\0"), element(0x00100000, b"UL", b"\4\0\0\0")
    data = length[0] + element(0x00080016, b"UI", b"1.2\0") + length[1] + element(0x00100020, b"LO", b"1 ")
    kept = reencode(data, EXPLICIT, EXPLICIT, replaced={0x00100020: b""})
    assert kept == length[0] + element(0x00080016, b"UI", b"1.2\0")
    assert len(reencode(data, EXPLICIT, IMPLICIT)) == 12 + 10


@pytest.mark.parametrize("undefined", [False, True])
def test_icons_in_a_compression_of_their_own_are_left_out(*, undefined: bool) -> None:
    icon = sequence(0x00880200, element(0x00280010, b"US", b"\1\0") + pixels(b"\xff\xd8"), undefined=undefined)
    around = element(0x00100020, b"LO", b"1 "), element(0x00980010, b"LO", b"1 ")
    data = around[0] + icon + around[1]
    assert reencode(data, JPEG, JPEG) == data
    assert reencode(data, JPEG, JPEG_2000) == around[0] + around[1]
    assert len(reencode(data, JPEG, IMPLICIT)) == 20
    native = sequence(0x00880200, long_element(0x7FE00010, b"OW", b"\1\2"), undefined=undefined)
    assert reencode(around[0] + native, JPEG, JPEG_2000) == around[0] + native


def test_heads_are_those_of_the_encoder() -> None:
    for layout, syntax in ((IMPLICIT_LITTLE, IMPLICIT), (EXPLICIT_LITTLE, EXPLICIT), (EXPLICIT_BIG, BIG)):
        for tag, vr in ((0x00100010, "PN"), (0x7FE00010, "OW")):
            expected = encode_elements([(tag, vr, b"1234")], syntax)
            assert element_head(layout, tag, vr, 4) + b"1234" == expected
    assert plain_syntax(DEFLATED) == EXPLICIT


@pytest.mark.parametrize(
    "data",
    [
        b"\x08\0",
        element(0x00080016, b"UI", b"1.2\0")[:-1],
        long_element(0x00082112, b"SQ", item(b"")[:-1]),
        long_element(0x00082112, b"SQ", element(0x00080016, b"UI", b"12")),
        long_element(0x00082112, b"SQ", b"", 0xFFFFFFFF) + element(0x00080016, b"UI", b"12"),
        element(0x00020010, b"UI", b"12"),
        long_element(0x00082112, b"SQ", b"", 0xFFFFFFFF) + item(item(b""), 0xE000) + element(0x00080016, b"UI", b"12"),
    ],
)
@pytest.mark.parametrize("target", [EXPLICIT, IMPLICIT])
def test_broken_data_sets_are_refused(data: bytes, target: str) -> None:
    with pytest.raises(InvalidDatasetError):
        reencode(data, EXPLICIT, target, appended={0x00082112: b""})


def test_limits_hold() -> None:
    data = element(0x00080016, b"UI", b"12") * 5
    with pytest.raises(ExcessiveDatasetError):
        reencode(data, EXPLICIT, IMPLICIT, limits=ScanLimits(max_elements=3))
    nested = b""
    for _ in range(80):
        nested = sequence(0x00082112, nested, undefined=True)
    for target in (EXPLICIT, IMPLICIT):
        with pytest.raises(InvalidDatasetError, match="deeper"):
            reencode(nested, EXPLICIT, target)
    with pytest.raises(UnsupportedTransferSyntaxError):
        reencode(data, EXPLICIT, "1.2.3")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for source in (EXPLICIT, IMPLICIT, BIG):
        try:
            assert isinstance(reencode(data, source, EXPLICIT), bytes)
        except (InvalidDatasetError, ExcessiveDatasetError):
            continue
