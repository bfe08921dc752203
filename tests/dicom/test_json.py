"""DICOM JSON written from bytes equals what pydicom makes of every real file, but where pydicom leaves the standard."""

import base64
import json
import math
import struct
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archimage.dicom.bulk import format_bulk_path
from archimage.dicom.encode import decode_identifier, encode_dataset, encode_elements, encode_items
from archimage.dicom.header import PixelData
from archimage.dicom.inflate import Inflater
from archimage.dicom.json import MetadataWriter, metadata_json, rows_json
from archimage.dicom.jsonvalues import format_members
from archimage.dicom.layout import DEFLATED_SYNTAXES, KNOWN_VRS, PIXEL_DATA
from archimage.dicom.limits import DEFAULT_LIMITS
from archimage.dicom.part10 import FileMeta
from archimage.dicom.window import Held
from archimage.errors import ExcessiveDatasetError, InvalidDatasetError
from archimage.model.attributes import BY_COLUMN
from tests.dicom.encoded import element, item, long_element, pixels, sequence
from tests.dicom.files import BROKEN, real_dataset, real_file, real_files
from tests.dicom.strategies import SYNTAXES, datasets
from tests.interop.peers import tool

IMPLICIT, EXPLICIT, BIG = SYNTAXES[:3]
WHOLE = [path for path in real_files() if path.name not in BROKEN]
UNREADABLE_TO_PYDICOM = {"badVR.dcm"}
"""Its to_json_dict fails at an integer string that is no number."""

PYDICOM_THRESHOLD, OURS = 1024, 768
"""pydicom counts base64 characters, this bytes."""

Model = dict[str, dict[str, Any]]


def ours(data: bytes, syntax: str) -> Model:
    model: Model = orjson.loads(metadata_json(data, syntax, format_bulk_path, bulk_threshold_bytes=OURS))
    return model


def pydicoms(dataset: pydicom.Dataset, *, big: bool) -> Model:
    """What to_json_dict returns, put right where it leaves the standard (see the module's docstring)."""
    model = dataset.to_json_dict(PYDICOM_THRESHOLD, str)
    return put_right(json.loads(json.dumps(model)), big=big)


def put_right(model: Model, prefix: str = "", *, big: bool) -> Model:
    """Follow PS3.18 F.2.2, F.2.5 and F.2.7; a reference is to name its element, and pixels are never inline."""
    kept = {tag: attribute for tag, attribute in sorted(model.items()) if not tag.endswith("0000")}
    for tag, attribute in kept.items():
        if attribute["vr"] == "SQ":
            items = [
                put_right(item, f"{prefix}{tag}/{n}/", big=big) for n, item in enumerate(attribute.pop("Value"), 1)
            ]
            attribute.update({"Value": items} if items else {})
        elif "BulkDataURI" in attribute or (tag == "7FE00010" and not prefix and len(attribute) > 1):
            kept[tag] = {"vr": attribute["vr"], "BulkDataURI": prefix + tag}
        elif "InlineBinary" in attribute and big:
            width = {"OW": "H", "OL": "I", "OF": "I", "OD": "Q", "OV": "Q"}.get(attribute["vr"], "B")
            raw = base64.b64decode(attribute["InlineBinary"])
            words = struct.unpack(f">{len(raw) // struct.calcsize(width)}{width}", raw)
            attribute["InlineBinary"] = base64.b64encode(struct.pack(f"<{len(words)}{width}", *words)).decode()
        elif "Value" in attribute:
            attribute["Value"] = [put_value_right(value) for value in attribute["Value"]]
    return kept


def put_value_right(value: Any) -> Any:
    """Follow PS3.18 F.2.3 and F.2.5: infinities are strings, empty values null."""
    return str(value) if isinstance(value, float) and math.isinf(value) else None if value == "" else value


def inflated_dataset(path: Path) -> tuple[FileMeta, bytes]:
    """Return a file's meta information and its data set, no longer deflated."""
    meta, data = real_dataset(path)
    deflated = meta.transfer_syntax_uid in DEFLATED_SYNTAXES
    return meta, b"".join(Inflater(DEFAULT_LIMITS).feed(data)) if deflated else data


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in WHOLE])
def test_every_real_file_is_written_as_pydicom_writes_it(path: Path) -> None:
    meta, data = inflated_dataset(path)
    model = ours(data, meta.transfer_syntax_uid)
    if path.name in UNREADABLE_TO_PYDICOM:
        assert model["00280008"] == {"vr": "IS", "Value": ["1A"]}
    else:
        assert model == pydicoms(pydicom.dcmread(path), big=meta.transfer_syntax_uid == BIG)


AGREED_BY_DCMTK = [
    "CT_small.dcm",
    "rtplan.dcm",
    "reportsi.dcm",
    "MR_small_implicit.dcm",
    "gdcm-US-ALOKA-16_big.dcm",
    "rtdose.dcm",
]


@pytest.mark.parametrize("name", AGREED_BY_DCMTK)
def test_dcmtk_writes_the_same(name: str) -> None:
    meta, data = real_dataset(real_file(name))
    process = subprocess.run([tool("dcm2json"), str(real_file(name))], capture_output=True, check=True, timeout=30)
    mine = orjson.loads(metadata_json(data, meta.transfer_syntax_uid, format_bulk_path, bulk_threshold_bytes=1 << 40))
    theirs = json.loads(process.stdout)
    assert {*mine} - {"00080005", "7FE00010"} == {*theirs} - {"00080005", "7FE00010"}
    alike = {tag for tag in mine if tag in theirs and mine[tag]["vr"] == theirs[tag]["vr"] not in {"FL", "FD", "SQ"}}
    assert len(alike) > len(mine) // 2  # DCMTK knows other private elements
    for tag in alike - {"00080005", "7FE00010"}:  # what it makes UTF-8 it calls so, and it has no references to pixels
        assert mine[tag] == theirs[tag]


# What is not in real files


def written(data: bytes, syntax: str = EXPLICIT, **options: Any) -> Model:
    """Write a data set and parse the JSON."""
    model: Model = orjson.loads(metadata_json(data, syntax, format_bulk_path, **options))
    return model


@pytest.mark.parametrize(
    ("vr", "raw", "values"),
    [
        (b"IS", b"12\\ -7\\+3 ", [12, -7, 3]),
        (b"IS", b"007\\1.5\\x\\\\123456789012345678", [7, 1.5, "x", None, "123456789012345678"]),
        (b"DS", b"1.10\\-3E2\\.5\\5.\\+1e-3\\01", [1.1, -300, 0.5, 5, 0.001, 1]),
        (b"DS", b"1e999\\nan\\1_0\\ ", ["1e999", "nan", "1_0", None]),
        (b"FD", struct.pack("<4d", 0.1, math.inf, -math.inf, math.nan), [0.1, "inf", "-inf", "NaN"]),
        (b"FL", struct.pack("<f", 0.5), [0.5]),
        (b"US", b"\x01\x00\x02\x00\x03", [1, 2]),
        (b"SL", struct.pack("<i", -5), [-5]),
        (b"AT", bytes.fromhex("1000 2000 0800 1800"), ["00100020", "00080018"]),
        (b"CS", b"A\\\\B ", ["A", None, "B"]),
        (b"LT", b"a\\b", ["a\\b"]),
        (b"PN", b"A^B=C\\=D", [{"Alphabetic": "A^B", "Ideographic": "C"}, {"Ideographic": "D"}]),
        (b"PN", b"\\E==F", [None, {"Alphabetic": "E", "Phonetic": "F"}]),
        (b"LO", b'"<\x07\xe9', ['"<\x07é']),
    ],
)  # fmt: skip
def test_values_are_what_the_standard_has_for_their_vr(vr: bytes, raw: bytes, values: list[object]) -> None:
    raw += b" " * (len(raw) % 2 if vr != b"US" else 0)
    assert written(element(0x00091001, vr, raw)) == {"00091001": {"vr": vr.decode(), "Value": values}}


@pytest.mark.parametrize(("vr", "raw"), [("OB", b"\1\2\3\4"), ("OW", b"\2\1\4\3"), ("OL", b"\4\3\2\1")])
def test_binary_values_are_little_endian_whatever_the_data_set_is(vr: str, raw: bytes) -> None:
    data = encode_elements([(0x00091001, vr, b"\1\2\3\4")], BIG)
    assert base64.b64decode(written(data, BIG)["00091001"]["InlineBinary"]) == raw


@pytest.mark.parametrize("vr", [b"CS", b"US", b"AT", b"PN"])
def test_an_empty_element_has_a_vr_and_nothing_else(vr: bytes) -> None:
    assert written(element(0x00091001, vr, b"")) == {"00091001": {"vr": vr.decode()}}


def test_an_empty_sequence_and_an_empty_item_differ() -> None:
    data = long_element(0x00081140, b"SQ", b"") + long_element(0x00081199, b"SQ", item(b""))
    assert written(data) == {"00081140": {"vr": "SQ"}, "00081199": {"vr": "SQ", "Value": [{}]}}


def test_attributes_ascend_and_the_last_of_a_tag_counts() -> None:
    data = element(0x00100020, b"LO", b"B ") + element(0x00080060, b"CS", b"CT") + element(0x00100020, b"LO", b"C ")
    assert list(written(data).items()) == [
        ("00080060", {"vr": "CS", "Value": ["CT"]}),
        ("00100020", {"vr": "LO", "Value": ["C"]}),
    ]


def test_binary_values_beyond_the_threshold_and_pixels_of_any_size_are_references() -> None:
    inner = long_element(0x54001010, b"OW", bytes(12))
    data = (
        long_element(0x00091001, b"UN", bytes(8))
        + long_element(0x54000100, b"SQ", item(b"") + item(inner))
        + pixels(b"ab")
        + long_element(0xFFFCFFFC, b"OB", bytes(4))
    )
    assert written(data, bulk_threshold_bytes=8) == {
        "00091001": {"vr": "UN", "InlineBinary": "AAAAAAAAAAA="},
        "54000100": {"vr": "SQ", "Value": [{}, {"54001010": {"vr": "OW", "BulkDataURI": "54000100/2/54001010"}}]},
        "7FE00010": {"vr": "OB", "BulkDataURI": "7FE00010"},
        "FFFCFFFC": {"vr": "OB", "InlineBinary": "AAAAAA=="},
    }


@pytest.mark.parametrize(("length", "vr"), [(4, "OW"), (None, "OB")])
def test_pixels_that_follow_a_header_are_described_by_the_caller(length: int | None, vr: str) -> None:
    pixel = PixelData(PIXEL_DATA, "OB", 8, 16, length, (), ())
    header = encode_elements([(0x00100020, "LO", b"P1")], IMPLICIT)
    model = written(header, IMPLICIT, pixel=pixel)
    assert model["7FE00010"] == {"vr": vr, "BulkDataURI": "7FE00010"}


def test_pixels_of_an_icon_are_a_value_like_any_other() -> None:
    icon = item(pixels(b"abcd"))
    (found,) = written(long_element(0x00880200, b"SQ", icon))["00880200"]["Value"]
    assert base64.b64decode(found["7FE00010"]["InlineBinary"]) == item(b"") + item(b"abcd")
    assert written(long_element(0x00880200, b"SQ", icon), bulk_threshold_bytes=1)["00880200"]["Value"] == [
        {"7FE00010": {"vr": "OB", "BulkDataURI": "00880200/1/7FE00010"}}
    ]


def test_the_character_set_of_an_item_is_its_own() -> None:
    greek, latin = element(0x00080005, b"CS", b"ISO_IR 126"), element(0x00080005, b"CS", b"ISO_IR 100")
    name = element(0x00100010, b"PN", b"\xc1 ")
    data = greek + sequence(0x00081140, name) + sequence(0x00081199, latin + name, undefined=True) + name
    model = written(data)
    assert model["00100010"]["Value"] == [{"Alphabetic": "Α"}]
    assert model["00081140"]["Value"][0]["00100010"]["Value"] == [{"Alphabetic": "Α"}]
    assert model["00081199"]["Value"][0]["00100010"]["Value"] == [{"Alphabetic": "Á"}]


def test_pixel_values_have_the_sign_of_pixel_representation_wherever_that_stands() -> None:
    smallest, sign, both = (0x00280106, "SS", b"\xff\xff"), (0x00280103, "US", b"\1\0"), (0x00189810, "SS", b"\xff\xff")
    before = encode_elements([(0x00081140, "SQ", encode_items([[smallest]], IMPLICIT)), both], IMPLICIT)
    for signed, known in ((True, ("SS", -1)), (False, ("US", 65535))):
        model = written(before + encode_elements([sign, smallest] if signed else [smallest], IMPLICIT), IMPLICIT)
        inner = model["00081140"]["Value"][0]
        assert {(one["vr"], *one["Value"]) for one in (inner["00280106"], model["00189810"], model["00280106"])} == {
            known
        }


@pytest.mark.parametrize(("creator", "vr"), [(b"GEMS_IDEN_01", "SH"), (b"SOMEBODY ELSE", "UN"), (None, "UN")])
def test_a_private_element_without_a_vr_has_that_of_its_creators_dictionary(creator: bytes | None, vr: str) -> None:
    elements = [(0x00090010, "LO", creator)] if creator else []
    data = encode_elements([*elements, (0x00091002, "SH", b"CT01")], IMPLICIT)
    assert written(data, IMPLICIT)["00091002"]["vr"] == vr


def test_what_a_private_dictionary_wrongly_takes_for_a_sequence_stays_binary() -> None:
    data = encode_elements([(0x00291010, "LO", b""), (0x00081140, "UN", b"no items")], IMPLICIT)
    with pytest.raises(InvalidDatasetError):
        written(data, IMPLICIT)  # a public sequence is one
    creator = (0x00710010, "LO", b"AGFA-AG_HPState")
    private = encode_elements([creator, (0x00711018, "UN", b"no items")], IMPLICIT)
    assert written(private, IMPLICIT)["00711018"] == {"vr": "UN", "InlineBinary": "bm8gaXRlbXM="}
    value = encode_items([[(0x00080060, "CS", b"CT")]], IMPLICIT)
    items = written(encode_elements([creator, (0x00711018, "SQ", value)], IMPLICIT), IMPLICIT)
    assert items["00711018"] == {"vr": "SQ", "Value": [{"00080060": {"vr": "CS", "Value": ["CT"]}}]}


@pytest.mark.parametrize(
    "data",
    [
        element(0x00100020, b"LO", b"P1")[:-1],
        long_element(0x00081140, b"SQ", b"1234567"),
        long_element(0x00081140, b"SQ", element(0x00100020, b"LO", b"")),
        sequence(0x00081140, b"", undefined=True)[:-8],
        sequence(0x00081140, b"", undefined=True)[:-16],
        sequence(0x00081140, element(0x00100020, b"LO", b"P1")[:-2]),
        long_element(0x00081140, b"SQ", item(b"")[:4] + b"\xff\0\0\0"),
        sequence(0x00880200, pixels(b"ab")[:-8]),
        pixels(b"ab")[:-8],
        long_element(0x7FE00010, b"OB", element(0x00080060, b"CS", b"CT"), 0xFFFFFFFF),
        long_element(0x7FE00010, b"OW", b"1234", 1 << 20),
        bytes(7),
    ],
)
def test_what_is_broken_is_invalid(data: bytes) -> None:
    with pytest.raises(InvalidDatasetError):
        written(data)


def test_sequences_are_followed_down_to_a_limit() -> None:
    data = item(b"")
    for _ in range(65):
        data = item(long_element(0x00081140, b"SQ", data))
    with pytest.raises(InvalidDatasetError, match="deeper than 64"):
        written(data[8:])


class Counted:
    """A data set that tells how much of it was read."""

    def __init__(self, data: bytes) -> None:
        self.read_bytes = 0
        self._data = data

    def read(self, offset: int, length: int, /) -> bytes:
        found = self._data[offset : offset + length]
        self.read_bytes += len(found)
        return found


def test_long_binary_values_are_not_read() -> None:
    name, document = element(0x00100010, b"PN", b"A^B "), long_element(0x00420011, b"OB", bytes(1 << 20))
    fragments = pixels(*[bytes(100_000)] * 9)
    source = Counted(
        name + document + element(0x00480001, b"LO", b"x ") + fragments + long_element(0xFFFCFFFC, b"OB", b"12")
    )
    model = orjson.loads(MetadataWriter().write(source, EXPLICIT, format_bulk_path))
    assert list(model) == ["00100010", "00420011", "00480001", "7FE00010", "FFFCFFFC"]
    assert source.read_bytes < 32 << 10


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("size", [16 << 10, (16 << 10) - 40, 100_000, 3_000_000])
def test_long_headers_are_written_whole(size: int, undefined: bool) -> None:
    text = long_element(0x00081195, b"UT", b"t" * 20_000)
    many = b"".join(item(element(0x00080060, b"CS", b"CT")) for _ in range(size // 18))
    length = 0xFFFFFFFF if undefined else len(many)
    end = item(b"", 0xE0DD) if undefined else b""
    model = written(text + long_element(0x00081140, b"SQ", many, length) + end + element(0x00100020, b"LO", b"P1"))
    assert model["00081195"]["Value"] == ["t" * 20_000]
    assert model["00081140"]["Value"] == [{"00080060": {"vr": "CS", "Value": ["CT"]}}] * (size // 18)
    assert model["00100020"]["Value"] == ["P1"]


def test_an_element_too_large_to_be_looked_at_is_refused() -> None:
    class Endless:
        def read(self, _: int, length: int, /) -> bytes:
            return (long_element(0x00081140, b"SQ", b"", 1 << 30) + bytes(length))[:length]

    with pytest.raises(ExcessiveDatasetError, match="more than 268435456 bytes"):
        MetadataWriter().write(Endless(), EXPLICIT, format_bulk_path)


CHARSETS = [
    "",
    "ISO_IR 100",
    "ISO_IR 192",
    "GB18030",
    "GBK",
    "ISO 2022 IR 6\\ISO 2022 IR 87",
    "ISO_IR 13",
    "\\ISO 2022 IR 149",
    "?",
]


@settings(max_examples=300, deadline=None)
@given(raw=st.binary(max_size=12), vr=st.sampled_from(sorted(KNOWN_VRS - {"SQ"})), charset=st.sampled_from(CHARSETS))
def test_any_bytes_become_json_under_any_vr_and_character_set(raw: bytes, vr: str, charset: str) -> None:
    for little in (True, False):
        members = format_members(raw, vr, charset.encode(), little=little)
        assert orjson.loads(b'{"vr":"%b"%b}' % (vr.encode(), members))["vr"] == vr


@pytest.mark.parametrize("syntax", SYNTAXES[:3])
@settings(max_examples=60, deadline=None)
@given(several=st.lists(datasets(), max_size=4))
def test_random_data_sets_are_written_as_pydicom_writes_them(syntax: str, several: list[pydicom.Dataset]) -> None:
    writer = MetadataWriter(bulk_threshold_bytes=OURS)
    for dataset in several:
        encoded = encode_dataset(dataset, syntax)
        model = orjson.loads(writer.write(Held(encoded), syntax, format_bulk_path))
        assert model == pydicoms(decode_identifier(encoded, syntax), big=syntax == BIG)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=300), start=st.integers(0, 400))
def test_random_bytes_raise_only_our_errors(data: bytes, start: int) -> None:
    blob = real_dataset(real_file("nested_priv_SQ.dcm"))[1][:start] + data
    for syntax in SYNTAXES[:3]:
        with suppress(InvalidDatasetError):
            orjson.loads(metadata_json(blob, syntax, format_bulk_path))


def test_what_is_remembered_of_one_data_set_serves_the_next_as_if_it_were_the_first() -> None:
    shared = MetadataWriter()
    for path in WHOLE:
        meta, data = inflated_dataset(path)
        alone = metadata_json(data, meta.transfer_syntax_uid, format_bulk_path)
        for _ in range(2):
            assert shared.write(Held(data), meta.transfer_syntax_uid, format_bulk_path) == alone


ALIKE = [
    element(0x00080005, b"CS", b"ISO_IR 192"),
    element(0x00080060, b"CS", b"CT"),
    element(0x00100010, b"PN", "Müller^J".encode() + b" "),
    element(0x00100020, b"LO", b"P1"),
    element(0x00110010, b"LO", b"OURS"),
    element(0x00180050, b"DS", b"1 "),
    element(0x00200011, b"IS", b"4 "),
    element(0x00200013, b"IS", b"1 "),
    element(0x00280103, b"US", b"\x01\x00"),
]


@settings(max_examples=200, deadline=None)
@given(
    several=st.lists(
        st.lists(st.tuples(st.booleans(), st.booleans()), min_size=len(ALIKE), max_size=len(ALIKE)),
        min_size=3,
        max_size=8,
    )
)
def test_runs_of_elements_that_came_before_are_written_as_if_they_never_had(
    several: list[list[tuple[bool, bool]]],
) -> None:
    shared = MetadataWriter()
    for chosen in several:
        elements = [
            one[:-2] + b"7 " if other else one for one, (kept, other) in zip(ALIKE, chosen, strict=True) if kept
        ]
        alone = metadata_json(b"".join(elements), EXPLICIT, format_bulk_path)
        assert shared.write(Held(b"".join(elements)), EXPLICIT, format_bulk_path) == alone


def test_behind_the_pixels_that_end_an_object_nothing_is_read() -> None:
    class Exact(Counted):
        def read(self, offset: int, length: int, /) -> bytes:
            assert offset < 100_000
            return super().read(offset, length)

    data = element(0x00100010, b"PN", b"A^B ") + long_element(0x7FE00010, b"OW", bytes(200_000))
    model = orjson.loads(MetadataWriter().write(Exact(data), EXPLICIT, format_bulk_path, size_bytes=len(data)))
    assert list(model) == ["00100010", "7FE00010"]
    with pytest.raises(InvalidDatasetError, match="beyond the end"):
        MetadataWriter().write(Counted(data[:-2]), EXPLICIT, format_bulk_path, size_bytes=len(data) - 2)


def test_attributes_that_the_archive_knows_are_added_in_their_place() -> None:
    added = [(0x00083002, "UI", ["1.2", "1.3"])]
    text = MetadataWriter().write(Held(element(0x00100020, b"LO", b"P1")), EXPLICIT, format_bulk_path, added=added)
    assert text == b'{"00083002":{"vr":"UI","Value":["1.2","1.3"]},"00100020":{"vr":"LO","Value":["P1"]}}'


# Rows of the index


def test_rows_are_written_with_all_their_attributes() -> None:
    names = ("patient_name", "patient_size", "rows", "modalities_in_study", "study_date", "patient_comments")
    row = {
        "patient_name": "Yamada^Tarou=山田^太郎", "patient_size": "1.75", "rows": "512",
        "modalities_in_study": "CT\\MR", "patient_comments": "a\\b",
    }  # fmt: skip
    assert orjson.loads(rows_json([row, {}], [BY_COLUMN[name] for name in names])) == [
        {
            "00080020": {"vr": "DA"},
            "00080061": {"vr": "CS", "Value": ["CT", "MR"]},
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}]},
            "00101020": {"vr": "DS", "Value": [1.75]},
            "00104000": {"vr": "LT", "Value": ["a\\b"]},
            "00280010": {"vr": "US", "Value": [512]},
        },
        {"00080020": {"vr": "DA"}, "00080061": {"vr": "CS"}, "00100010": {"vr": "PN"}, "00101020": {"vr": "DS"}}
        | {"00104000": {"vr": "LT"}, "00280010": {"vr": "US"}},
    ]


def test_values_of_a_sequence_go_back_into_its_items() -> None:
    names = ("request_scheduled_procedure_step_id", "request_requested_procedure_id")
    rows = [{"request_scheduled_procedure_step_id": "S1\\S2", "request_requested_procedure_id": "R1"}, {}]
    first, second = orjson.loads(rows_json(rows, [BY_COLUMN[name] for name in names]))
    assert first["00400275"]["Value"] == [
        {"00400009": {"vr": "SH", "Value": ["S1"]}, "00401001": {"vr": "SH", "Value": ["R1"]}},
        {"00400009": {"vr": "SH", "Value": ["S2"]}, "00401001": {"vr": "SH"}},
    ]
    assert second == {"00400275": {"vr": "SQ"}}
