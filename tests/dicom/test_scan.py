"""The header scan equals pydicom on real and random data sets, in pieces of any size, and refuses what is broken."""

import io
import struct
import time
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.encaps import parse_fragments

from archimage.dicom.elements import iter_elements
from archimage.dicom.encode import encode_dataset
from archimage.dicom.scan import Header, HeaderScanner, ScanLimits, scan
from archimage.dicom.wanted import Path as TagPath
from archimage.errors import (
    ExcessiveDatasetError,
    InvalidDatasetError,
    UnsupportedTransferSyntaxError,
)
from tests.dicom.encoded import element, item, long_element, pixels, sequence
from tests.dicom.files import BROKEN, real_dataset, real_file, real_files
from tests.dicom.strategies import SYNTAXES, datasets

IMPLICIT, EXPLICIT, BIG, DEFLATED = SYNTAXES
NONE: frozenset[TagPath] = frozenset()

WANTED_TAGS = (
    0x00080005, 0x00080008, 0x00080012, 0x00080016, 0x00080018, 0x00080020, 0x00080021, 0x00080022, 0x00080023,
    0x00080030, 0x00080050, 0x00080060, 0x00080061, 0x00080064, 0x00080070, 0x00080080, 0x00080090, 0x00081010,
    0x00081030, 0x0008103E, 0x00081040, 0x00081050, 0x00081070, 0x00081090, 0x00082111, 0x00100010, 0x00100020,
    0x00100030, 0x00100040, 0x00101000, 0x00101001, 0x00101010, 0x00101030, 0x00104000, 0x00180015, 0x00180050,
    0x00180060, 0x00181000, 0x00181030, 0x00185100, 0x0020000D, 0x0020000E, 0x00200010, 0x00200011, 0x00200012,
    0x00200013, 0x00200032, 0x00200037, 0x00200052, 0x00204000, 0x00280002, 0x00280004, 0x00280008, 0x00280009,
    0x00280010, 0x00280011, 0x00280030, 0x00280100, 0x00280103, 0x00280106, 0x00280107, 0x00281050, 0x00281051,
)  # fmt: skip
WANTED_NESTED = ((0x00081140, 0x00081155), (0x00081032, 0x00080104), (0x00400275, 0x00400007), (0x00081115, 0x0020000E))
WANTED = frozenset(WANTED_TAGS) | frozenset(WANTED_NESTED)


def pydicom_text(dataset: Dataset, tag: int) -> str | None:
    """Return a value as Header.text gives it, by way of pydicom."""
    if tag not in dataset:
        return None
    value = dataset[tag].value
    values = value if dataset[tag].VM > 1 else [value]
    if dataset[tag].VR == "AT":
        return "\\".join(f"{number:08X}" for number in values)
    return "\\".join("" if one is None else str(getattr(one, "original_string", one)) for one in _decoded(values))


def _decoded(values: Iterable[object]) -> list[object]:
    return [str(value) if type(value).__name__ == "PersonName" else value for value in values]


def feed_all(scanner: HeaderScanner, pieces: Iterable[bytes]) -> Header:
    for piece in pieces:
        scanner.feed(piece)
    return scanner.finish()


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in real_files() if path.name not in BROKEN])
def test_every_real_file_gives_the_values_that_pydicom_reads(path: Path) -> None:
    meta, data = real_dataset(path)
    dataset = pydicom.dcmread(path)
    header = scan(data, meta.transfer_syntax_uid, WANTED)
    for tag in WANTED_TAGS:
        assert header.text(tag) == pydicom_text(dataset, tag), f"{tag:08X}"
    for outer, inner in WANTED_NESTED:
        items = dataset[outer].value if outer in dataset else ()
        assert header.texts(outer, inner) == tuple(pydicom_text(entry, inner) or "" for entry in items)
    assert header.complete


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in real_files() if path.name not in BROKEN])
def test_every_real_file_has_its_pixels_where_pydicom_finds_them(path: Path) -> None:
    meta, data = real_dataset(path)
    dataset = pydicom.dcmread(path)
    pixel = scan(data, meta.transfer_syntax_uid, NONE).pixel
    found = [dataset[tag] for tag in ("PixelData", "FloatPixelData", "DoubleFloatPixelData") if tag in dataset]
    if pixel is None or not found:
        assert pixel is None or pixel.tag == 0x56000020
        assert not found
        return
    if meta.transfer_syntax_uid != DEFLATED:
        assert found[0].file_tell is not None
        assert pixel.value_offset == found[0].file_tell - (path.stat().st_size - len(data))
    if not pixel.encapsulated:
        assert pixel.length == len(found[0].value)
        return
    buffer = io.BytesIO(found[0].value)
    table = item(pixel.basic_offsets)
    assert buffer.read(len(table)) == table
    count, offsets = parse_fragments(buffer)
    assert count == len(pixel.fragments)
    assert [offset - 8 - pixel.value_offset for offset in pixel.fragment_offsets] == list(offsets)


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_real_files_that_are_cut_short_are_refused(name: str) -> None:
    meta, data = real_dataset(real_file(name))
    with pytest.raises(InvalidDatasetError):
        scan(data, meta.transfer_syntax_uid, WANTED)


@pytest.mark.parametrize("syntax", SYNTAXES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(dataset=datasets())
def test_random_data_sets_give_the_bytes_that_pydicom_wrote(syntax: str, dataset: Dataset) -> None:
    data = encode_dataset(dataset, syntax)
    plain = zlib.decompress(data, -15) if syntax == DEFLATED else data
    elements = {element.tag: element for element in iter_elements(plain, EXPLICIT if syntax == DEFLATED else syntax)}
    paths = {tag for tag, element in elements.items() if element.vr != "SQ"} | {
        (tag, inner.tag) for tag, element in elements.items() for item in element.items for inner in item
    }
    header = scan(data, syntax, frozenset(paths))
    assert list(elements) == sorted(map(int, dataset.keys()))
    for tag, one in elements.items():
        if isinstance(one.value, memoryview):
            assert header.found[tag][1] == bytes(one.value)
    for outer, rows in header.rows.items():
        assert len(rows) == len(dataset[outer].value)
        for row, items in zip(rows, elements[outer].items, strict=True):
            views = {one.tag: bytes(one.value) for one in items if isinstance(one.value, memoryview)}
            assert {tag: raw for tag, (_, raw) in row.items()} == {tag: views[tag] for tag in row}
            assert set(row) >= {tag for tag in views if (outer, tag) in paths}


def sample() -> bytes:
    """A small data set with everything that has a shape of its own: nesting, UN, fragments, a trailing part."""
    inner = element(0x00080060, b"CS", b"CT") + long_element(0x00091010, b"UN", b"12345678")
    implicit = struct.pack("<HHI", 0x0010, 0x0020, 4) + b"P1  "
    un = item(implicit) + item(b"", 0xE0DD)
    return (
        element(0x00080005, b"CS", b"ISO_IR 100")
        + sequence(0x00081140, inner)
        + sequence(0x00081199, inner + sequence(0x00400275, inner), undefined=True)
        + long_element(0x0009_1020, b"UN", un, 0xFFFFFFFF)
        + element(0x00100010, b"PN", b"A^B ")
        + pixels(b"abcd", b"", b"efghij")
        + long_element(0xFFFCFFFC, b"OB", bytes(20))
    )


SAMPLE_WANTED: frozenset[TagPath] = frozenset(
    {0x00100010, (0x00081140, 0x00080060), (0x00081199, 0x00091010), (0x00091020, 0x00100020)}
)


def test_every_split_gives_the_same_header() -> None:
    data = sample()
    whole = scan(data, EXPLICIT, SAMPLE_WANTED)
    assert whole.texts(0x00091020, 0x00100020) == ("P1",)
    for offset in range(len(data) + 1):
        scanner = HeaderScanner(EXPLICIT, SAMPLE_WANTED)
        assert feed_all(scanner, (data[:offset], data[offset:])) == whole
        assert scanner.header_bytes == data[: data.index(b"\xe0\x7f\x10\x00")]
    assert feed_all(HeaderScanner(EXPLICIT, SAMPLE_WANTED), (bytes([one]) for one in data)) == whole


def test_every_truncation_is_refused_or_ends_at_an_element() -> None:
    data = sample()
    ends = {0} | {element.offset for element in iter_elements(data, EXPLICIT)}
    for offset in range(len(data)):
        try:
            header = scan(data[:offset], EXPLICIT, SAMPLE_WANTED)
        except InvalidDatasetError:
            continue
        assert header.end == offset
        assert any(0 <= start - offset <= 12 for start in ends)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=400), syntax=st.sampled_from(SYNTAXES), start=st.integers(0, 300))
def test_random_bytes_raise_only_our_errors(data: bytes, syntax: str, start: int) -> None:
    for blob in (data, sample()[:start] + data):
        with suppress(InvalidDatasetError, ExcessiveDatasetError):
            assert scan(blob, syntax, SAMPLE_WANTED).end <= max(len(blob), 1 << 20)


def test_the_pixel_bytes_are_located_and_not_kept() -> None:
    body = element(0x00100010, b"PN", b"A^B ")
    data = body + long_element(0x7FE00010, b"OW", bytes(100_000)) + long_element(0xFFFCFFFC, b"OB", b"12")
    scanner = HeaderScanner(EXPLICIT, frozenset({0x00100010, 0xFFFCFFFC}))
    scanner.feed(data[:40_000])
    assert scanner.header_seen
    assert not scanner.header.complete
    assert scanner.header_bytes == body
    scanner.feed(data[40_000:])
    header = scanner.finish()
    assert header.pixel is not None
    assert (header.pixel.offset, header.pixel.value_offset, header.pixel.length) == (12, 24, 100_000)
    assert header.raw(0xFFFCFFFC) == b"12"
    assert header.end == len(data)


def test_offset_tables_are_reported() -> None:
    table = struct.pack("<II", 0, 12)
    data = (
        long_element(0x7FE00001, b"OV", bytes(8))
        + long_element(0x7FE00002, b"OV", struct.pack("<Q", 4))
        + long_element(0x7FE00010, b"OB", item(table) + item(b"abcd") + item(b"efgh") + item(b"", 0xE0DD), 0xFFFFFFFF)
    )
    pixel = feed_all(HeaderScanner(EXPLICIT, NONE), (bytes([one]) for one in data)).pixel
    assert pixel is not None
    assert pixel.basic_offsets == table
    assert (pixel.extended_offsets, pixel.extended_lengths) == (bytes(8), struct.pack("<Q", 4))
    assert [data[offset : offset + length] for offset, length in pixel.fragments] == [b"abcd", b"efgh"]


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("depth", [65, 5_000])
def test_sequences_too_deep_are_invalid_within_a_second(depth: int, undefined: bool) -> None:
    data = b""
    for _ in range(depth):
        data = sequence(0x00081140, data, undefined=undefined)
    started = time.perf_counter()
    with pytest.raises(InvalidDatasetError, match="deeper than 64"):
        scan(data, EXPLICIT, NONE)
    assert time.perf_counter() - started < 1


def test_fifty_thousand_open_sequences_are_invalid() -> None:
    step = struct.pack("<HH2sHIHHI", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
    with pytest.raises(InvalidDatasetError, match="deeper than 64"):
        scan(step * 50_000, EXPLICIT, NONE)


def test_sixty_four_sequences_are_read() -> None:
    data = b""
    for _ in range(64):
        data = sequence(0x00081140, data)
    assert scan(data, EXPLICIT, NONE).element_count == 128


def test_too_many_elements_are_excessive_long_before_the_end() -> None:
    one = struct.pack("<HHI", 9, 0x1001, 0)
    scanner = HeaderScanner(IMPLICIT, NONE)
    pieces = (one * 10_000 for _ in range(1_000))
    with pytest.raises(ExcessiveDatasetError, match="more than 1000000 elements"):
        feed_all(scanner, pieces)
    assert len(scanner.header_bytes) < 9_000_000


def test_too_many_fragments_are_excessive() -> None:
    start = long_element(0x7FE00010, b"OB", b"", 0xFFFFFFFF)
    with pytest.raises(ExcessiveDatasetError):
        scan(start + item(b"") * 200, EXPLICIT, NONE, ScanLimits(max_elements=100))


@pytest.mark.parametrize(
    "limits",
    [ScanLimits(), ScanLimits(max_inflate_ratio=1 << 20, max_inflated_bytes=50 << 20)],
    ids=["ratio", "size"],
)
def test_a_deflate_bomb_is_excessive(limits: ScanLimits) -> None:
    stream = zlib.compressobj(9, wbits=-15)
    head = long_element(0x7FE00010, b"OW", b"", 300 << 20)
    bomb = stream.compress(head) + b"".join(stream.compress(bytes(1 << 20)) for _ in range(300)) + stream.flush()
    with pytest.raises(ExcessiveDatasetError, match="inflate"):
        scan(bomb, DEFLATED, NONE, limits)


def test_a_long_header_is_kept_up_to_its_limit_and_scanned_to_its_end() -> None:
    limits = ScanLimits(max_header_bytes=1_000)
    document = long_element(0x00420011, b"OB", bytes(50_000))
    data = element(0x00100010, b"PN", b"A^B ") + document + element(0x00420012, b"LO", b"text/plain") + pixels(b"ab")
    scanner = HeaderScanner(EXPLICIT, frozenset({0x00420012}), limits)
    header = feed_all(scanner, (data[:30_000], data[30_000:]))
    assert header.text(0x00420012) == "text/plain"
    assert scanner.header_truncated
    assert scanner.header_bytes == data[:12]
    assert header.end == len(data)


@pytest.mark.parametrize("nested", [False, True])
def test_a_header_of_many_elements_is_kept_up_to_its_limit(nested: bool) -> None:
    many = element(0x00100010, b"PN", b"A^B ") * 4_000
    data = element(0x00080060, b"CS", b"CT") + (sequence(0x00081140, many) if nested else many)
    scanner = HeaderScanner(EXPLICIT, NONE, ScanLimits(max_header_bytes=1_000))
    boundary = 10 + 20 * nested + 12 * 100
    assert feed_all(scanner, (data[:boundary], data[boundary:])).end == len(data)
    assert scanner.header_truncated
    assert scanner.header_bytes == (data[:10] if nested else data[: len(scanner.header_bytes)])
    assert (len(scanner.header_bytes) - 10) % 12 == 0
    assert len(scanner.header_bytes) < 20_000


def test_a_wanted_value_beyond_the_limit_is_excessive() -> None:
    limits = ScanLimits(max_value_bytes=100)
    with pytest.raises(ExcessiveDatasetError, match="has 101 bytes"):
        scan(long_element(0x00080119, b"UC", b"", 101), EXPLICIT, frozenset({0x00080119}), limits)
    table = long_element(0x7FE00010, b"OB", item(bytes(102)), 0xFFFFFFFF)
    with pytest.raises(ExcessiveDatasetError, match="Offset Table"):
        scan(table, EXPLICIT, NONE, limits)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (element(0x00020010, b"UI", b"1.2\0"), "group 0002"),
        (element(0x00000100, b"US", b"\0\0"), "group 0000"),
        (item(b"", 0xE00D), "stands where an element should"),
        (item(b"abcd"), "stands where an element should"),
        (element(0xFFFEE00D, b"CS", b""), "stands where an element should"),
        (long_element(0x00080119, b"UC", b"", 0xFFFFFFFF), "undefined length"),
        (pixels(b"ab")[:-8], "cut short"),
        (pixels(b"ab") + pixels(b"cd"), "a second pixel element"),
        (long_element(0x7FE00010, b"OB", long_element(0x00080008, b"OB", b"x"), 0xFFFFFFFF), "no fragment"),
        (long_element(0x7FE00010, b"OB", b"\xfe\xff\x00\xe0\xff\xff\xff\xff", 0xFFFFFFFF), "no fragment"),
        (long_element(0x7FE00010, b"OW", b"abc", 4), "cut short"),
        (long_element(0x00081140, b"SQ", element(0x00080060, b"CS", b"CT")), "no item"),
        (long_element(0x00081140, b"SQ", item(b"123")), "less than an element"),
        (long_element(0x00081140, b"SQ", item(element(0x00080060, b"CS", b"CT")) + b"1234"), "less than an element"),
        (long_element(0x00081140, b"SQ", struct.pack("<HHI", 0xFFFE, 0xE000, 99) + bytes(8)), "runs beyond"),
        (sequence(0x00081140, struct.pack("<HH2sH", 8, 0x60, b"CS", 99) + b"CT"), "runs beyond"),
        (sequence(0x00081140, long_element(0x00091001, b"UN", b"12", 99)), "runs beyond"),
        (
            long_element(0x00081140, b"SQ", b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + element(0x00080060, b"CS", b"")),
            "delimiter is",
        ),
        (b"\x08\0\x60", "cut short"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_no_data_set_may_hold_is_invalid(data: bytes, message: str) -> None:
    with pytest.raises(InvalidDatasetError, match=message):
        scan(data, EXPLICIT, NONE)


def test_a_wanted_value_that_runs_beyond_its_item_is_invalid_at_once() -> None:
    data = sequence(0x00081140, long_element(0x00080119, b"UC", b"12", 99))
    scanner = HeaderScanner(EXPLICIT, frozenset({(0x00081140, 0x00080119)}))
    with pytest.raises(InvalidDatasetError, match="runs beyond"):
        scanner.feed(data)


def test_an_empty_data_set_has_no_elements() -> None:
    header = scan(b"", EXPLICIT, NONE)
    assert (header.end, header.element_count, header.pixel) == (0, 0, None)


def test_an_unknown_transfer_syntax_is_refused() -> None:
    with pytest.raises(UnsupportedTransferSyntaxError):
        scan(b"", "1.2.3", NONE)


@pytest.mark.parametrize("stated", [IMPLICIT, EXPLICIT])
@pytest.mark.parametrize("real", [IMPLICIT, EXPLICIT])
def test_the_layout_is_taken_from_the_first_element(stated: str, real: str) -> None:
    dataset = Dataset()
    dataset.PatientName, dataset.Modality = "A^B", "CT"
    assert scan(encode_dataset(dataset, real), stated, frozenset({0x00100010})).text(0x00100010) == "A^B"


def test_fragments_of_an_icon_are_passed_over() -> None:
    icon = sequence(0x00880200, pixels(b"ab"))
    header = scan(icon + pixels(b"cdef"), EXPLICIT, NONE)
    assert header.pixel is not None
    assert [length for _, length in header.pixel.fragments] == [4]


def test_un_under_big_endian_is_implicit_little_endian() -> None:
    inner = item(struct.pack("<HHI", 0x0010, 0x0020, 2) + b"P1") + item(b"", 0xE0DD)
    data = struct.pack(">HH2sHI", 0x0009, 0x1020, b"UN", 0, 0xFFFFFFFF) + inner
    assert scan(data, BIG, frozenset({(0x00091020, 0x00100020)})).texts(0x00091020, 0x00100020) == ("P1",)


def test_values_are_raw_and_unpadded() -> None:
    data = element(0x00100010, b"PN", b"A^B ") + element(0x00280010, b"US", b"\0 ")
    paths: frozenset[TagPath] = frozenset({0x00100010, 0x00280010, 0x00100020, (0x00081140, 0x00081155)})
    header = scan(data, EXPLICIT, paths)
    assert header.values == {0x00100010: b"A^B", 0x00280010: b"\0 "}
    nested = scan(sequence(0x00081140, element(0x00081150, b"UI", b"1\0")), EXPLICIT, SAMPLE_WANTED)
    assert nested.values == {(0x00081140, 0x00080060): (b"",)}
