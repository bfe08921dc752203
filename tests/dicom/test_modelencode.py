"""Models are encoded so that they are read as they were, bulk values in pieces, or refused."""

import base64
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from pydicom.dataset import Dataset

from archimage.dicom.bulk import format_bulk_path
from archimage.dicom.encode import decode_identifier, encode_dataset, encode_elements
from archimage.dicom.json import metadata_json
from archimage.dicom.jsonmodel import Model, parse_json
from archimage.dicom.modelencode import BulkValue, encode_json_dataset, encode_json_pieces
from archimage.errors import InvalidRequestError, UnsupportedTransferSyntaxError
from tests.dicom.encoded import element, item, long_element, pixels
from tests.dicom.strategies import SYNTAXES, datasets
from tests.dicom.test_json import WHOLE, inflated_dataset

IMPLICIT, EXPLICIT, BIG, DEFLATED = SYNTAXES
JPEG = "1.2.840.10008.1.2.4.50"
INLINE = 1 << 40


def no_bulk(uri: str) -> bytes:
    raise AssertionError(uri)


def model_of(data: bytes, syntax: str) -> Model:
    """Write a data set with nothing but pixels as a reference, and parse that."""
    (model,) = parse_json(metadata_json(data, syntax, format_bulk_path, bulk_threshold_bytes=INLINE))
    return model


def as_utf_8(model: Model) -> Model:
    """Name the character set that encoding leaves, in place of all others."""
    kept = dict(model)
    if "00080005" in model or not orjson.dumps(model).isascii():
        kept["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    return without_item_charsets(kept)


def without_item_charsets(model: Model) -> Model:
    for attribute in model.values():
        if attribute["vr"] == "SQ" and "Value" in attribute:
            items = [{tag: inner for tag, inner in one.items() if tag != "00080005"} for one in attribute["Value"]]
            attribute["Value"] = [without_item_charsets(one) for one in items]
    return model


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in WHOLE])
def test_every_real_file_is_read_from_json_as_it_was(path: Path) -> None:
    meta, data = inflated_dataset(path)
    model = model_of(data, meta.transfer_syntax_uid)
    again = model_of(encode_json_dataset(model, EXPLICIT, lambda _: b"1234"), EXPLICIT)
    expected = as_utf_8(model)
    if path.name == "nested_priv_SQ.dcm":
        inner = expected["00010001"]["Value"][0]["00010002"]
        inner["InlineBinary"] = base64.b64encode(base64.b64decode(inner["InlineBinary"]) + b"\0").decode()  # was odd
    assert again == expected


@settings(max_examples=60, deadline=None)
@given(random=datasets())
def test_random_data_sets_are_read_from_json_as_they_were(random: Dataset) -> None:
    data = encode_dataset(random, EXPLICIT)
    model = model_of(data, EXPLICIT)
    assert decode_identifier(encode_json_dataset(model, EXPLICIT, no_bulk), EXPLICIT) == decode_identifier(
        data, EXPLICIT
    )


@pytest.mark.parametrize(
    ("vr", "values", "raw"),
    [
        ("PN", [{"Alphabetic": "A^B", "Phonetic": "C"}, None, "D"], b"A^B==C\\\\D "),
        ("DS", [1.5, "2.50", 3, 0.1 + 0.2, -1e-300], b"1.5\\2.50\\3\\0.30000000000000\\-1e-300 "),
        ("IS", [12, "-7", 3.0, None], b"12\\-7\\3\\"),
        ("US", [1, "2"], b"\1\0\2\0"),
        ("FD", ["NaN", "-inf", 0.5], struct.pack("<3d", float("nan"), -float("inf"), 0.5)),
        ("AT", ["00100020"], b"\x10\0\x20\0"),
        ("UI", ["1.2", "1.3"], b"1.2\\1.3\0"),
        ("LT", ["a\\b"], b"a\\b "),
    ],
)
def test_values_are_encoded_as_their_vr_asks(vr: str, values: list[Any], raw: bytes) -> None:
    encoded = encode_json_dataset({"00091001": {"vr": vr, "Value": values}}, EXPLICIT, no_bulk)
    assert encoded == element(0x00091001, vr.encode(), raw)


def test_long_values_are_encoded_too() -> None:
    encoded = encode_json_dataset({"00091001": {"vr": "SV", "Value": [-(1 << 63)]}}, EXPLICIT, no_bulk)
    assert encoded == long_element(0x00091001, b"SV", b"\0" * 7 + b"\x80")


def test_text_is_written_in_utf_8_and_says_so() -> None:
    model = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller", "Ideographic": "山田"}]}}
    charset, name = element(0x00080005, b"CS", b"ISO_IR 192"), "Müller=山田".encode()
    assert encode_json_dataset(model, EXPLICIT, no_bulk) == charset + element(0x00100010, b"PN", name)
    greek = {"00080005": {"vr": "CS", "Value": ["ISO_IR 126"]}, "00100020": {"vr": "LO", "Value": ["P1"]}}
    assert encode_json_dataset(greek, EXPLICIT, no_bulk) == charset + element(0x00100020, b"LO", b"P1")
    item_of = {"00081140": {"vr": "SQ", "Value": [greek]}}
    assert b"ISO_IR" not in encode_json_dataset(item_of, EXPLICIT, no_bulk)


def test_group_lengths_and_file_meta_information_are_left_out() -> None:
    identified: Model = {"00100020": {"vr": "LO", "Value": ["P1"]}}
    model: Model = {"00020010": {"vr": "UI", "Value": ["1.2"]}, "00080000": {"vr": "UL", "Value": [8]}, **identified}
    assert encode_json_dataset(model, EXPLICIT, no_bulk) == element(0x00100020, b"LO", b"P1")


def test_bulk_values_come_in_pieces_when_their_turn_comes() -> None:
    asked: list[str] = []

    def pieces() -> Iterator[bytes]:
        asked.append("read")
        yield b"abc"
        yield b"de"

    inner = {"54001010": {"vr": "OW", "BulkDataURI": "wave"}}
    model: Model = {"00100020": {"vr": "LO", "Value": ["P1"]}, "54000100": {"vr": "SQ", "Value": [inner]}}

    def bulk(uri: str) -> tuple[BulkValue]:
        asked.append(uri)
        return (BulkValue(5, pieces),)

    encoded = encode_json_pieces(model, EXPLICIT, bulk)
    assert asked == ["wave"]
    wave = long_element(0x54001010, b"OW", b"abcde\0")
    expected = element(0x00100020, b"LO", b"P1") + long_element(0x54000100, b"SQ", item(wave))
    assert b"".join(encoded) == expected
    assert asked == ["wave", "read"]


def test_frames_of_encapsulated_pixels_get_a_fragment_each() -> None:
    frames = [BulkValue(3, lambda: (b"abc",)), BulkValue(2, lambda: (b"d", b"e"))]
    model = {"7FE00010": {"vr": "OW", "BulkDataURI": "frames"}}
    table = item(struct.pack("<2I", 0, 12))
    value = table + item(b"abc\0") + item(b"de") + item(b"", 0xE0DD)
    assert b"".join(encode_json_pieces(model, JPEG, lambda _: frames)) == long_element(
        0x7FE00010, b"OB", value, 0xFFFFFFFF
    )
    inline = {"7FE00010": {"vr": "OB", "InlineBinary": "YWJj"}}
    value = item(bytes(4)) + item(b"abc\0") + item(b"", 0xE0DD)
    assert encode_json_dataset(inline, JPEG, no_bulk) == long_element(0x7FE00010, b"OB", value, 0xFFFFFFFF)
    icon = {"00880200": {"vr": "SQ", "Value": [inline]}}
    native = long_element(0x7FE00010, b"OB", b"abc\0")
    assert encode_json_dataset(icon, JPEG, no_bulk) == long_element(0x00880200, b"SQ", item(native))


@pytest.mark.parametrize(
    "attribute",
    [
        {"vr": "US", "Value": [-1]}, {"vr": "US", "Value": ["x"]}, {"vr": "US", "Value": [1.5]},
        {"vr": "US", "Value": [None]}, {"vr": "SL", "Value": [1 << 31]}, {"vr": "FL", "Value": [1e300]},
        {"vr": "IS", "Value": [1.5]}, {"vr": "AT", "Value": ["patient"]}, {"vr": "AT", "Value": [1]},
        {"vr": "CS", "Value": ["Ü"]},
        {"vr": "PN", "Value": [{"Alphabetic": 1}]}, {"vr": "OB", "Value": ["x"]}, {"vr": "UN", "Value": [1]},
        {"vr": "OB", "InlineBinary": "not base64!"}, {"vr": "OB", "InlineBinary": "ä"},
        {"vr": "SQ", "InlineBinary": "AA=="}, {"vr": "SQ", "BulkDataURI": "x"}, {"vr": "LO", "Value": ["x" * 0xFFFF]},
        {"vr": "FD", "Value": ["x"]}, {"vr": "FL", "Value": [float("inf")] * 20_000},
    ],
)  # fmt: skip
def test_what_does_not_fit_its_vr_is_refused_and_not_quoted(attribute: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match=r"\(0009,1001\)") as caught:
        encode_json_dataset({"00091001": attribute}, EXPLICIT, lambda _: b"")
    assert "patient" not in str(caught.value)


@pytest.mark.parametrize("value", [{"vr": "OB"}, {"vr": "OW", "Value": [1]}])
def test_encapsulated_pixels_without_frames_are_refused(value: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError, match="has no value"):
        encode_json_dataset({"7FE00010": value}, JPEG, no_bulk)


def test_a_frame_has_to_fit_into_a_fragment() -> None:
    model = {"7FE00010": {"vr": "OB", "BulkDataURI": "x"}}
    with pytest.raises(InvalidRequestError, match="too many for a fragment"):
        encode_json_pieces(model, JPEG, lambda _: [BulkValue(1 << 32, lambda: ())])
    with pytest.raises(InvalidRequestError, match="too many for OB"):
        encode_json_pieces(model, EXPLICIT, lambda _: [BulkValue(1 << 32, lambda: ())])


@pytest.mark.parametrize("syntax", [BIG, DEFLATED, "1.2.3"])
def test_other_syntaxes_are_not_made(syntax: str) -> None:
    with pytest.raises(UnsupportedTransferSyntaxError):
        encode_json_pieces({}, syntax, lambda _: ())


def test_what_we_encode_equals_the_flat_encoder() -> None:
    model: Model = {"00280010": {"vr": "US", "Value": [512]}, "00100020": {"vr": "LO", "Value": ["P"]}}
    elements = [(0x00100020, "LO", b"P"), (0x00280010, "US", b"\0\2")]
    for syntax in (IMPLICIT, EXPLICIT):
        assert encode_json_dataset(model, syntax, no_bulk) == encode_elements(elements, syntax)
    assert encode_json_dataset({}, JPEG, no_bulk) == b""
    assert pixels(b"ab").startswith(
        encode_json_dataset({"7FE00010": {"vr": "OB", "InlineBinary": ""}}, JPEG, no_bulk)[:12]
    )
