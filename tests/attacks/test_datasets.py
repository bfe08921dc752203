"""Data sets that lie, explode or nest without end; and those that only look wrong, which are kept as they are."""

import struct
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from archimage.dicom.part10 import decode_file_meta
from archimage.protocol.items import PresentationContext
from archimage.protocol.status import Status
from archimage.protocol.uids import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from tests.attacks.conftest import SCALE
from tests.attacks.datasets import PIXEL_DATA, dataset, nested, new_uid
from tests.attacks.server import MAX_GROWTH_BYTES, Server
from tests.attacks.wire import CT, CT_CONTEXT, Peer, request

_JPEG = "1.2.840.10008.1.2.4.50"
_ELEMENTS = int(10_000_000 * min(SCALE, 1))
_DEPTHS = (65, 1_000, 50_000)


def _associated(server: Server, transfer_syntax_uid: str) -> Peer:
    context = PresentationContext(CT_CONTEXT, CT, (transfer_syntax_uid,))
    return Peer.associated(server.port, request((context,)), timeout_s=30.0)


def _kept(server: Server, uid: str) -> bytes:
    """Return the data set in the file of an instance."""
    (row,) = [row for row in server.rows() if row.sop_instance_uid == uid]
    data = (server.directory / "objects" / row.path).read_bytes()
    return data[decode_file_meta(data)[1] :]


def _store(server: Server, transfer_syntax_uid: str, uid: str, data: bytes) -> tuple[int, float]:
    """Store; return the status and the seconds from the last byte sent to the answer."""
    with _associated(server, transfer_syntax_uid) as peer:
        peer.begin_store(uid)
        peer.send_dataset(CT_CONTEXT, data)
        started = time.monotonic()
        status = peer.status()
        peer.release()
        return status, time.monotonic() - started


# Row 29.


@pytest.mark.parametrize("cut", [1, 2, 8, 100, 255])
def test_a_data_set_that_is_cut_short_is_refused(server: Server, cut: int) -> None:
    uid = new_uid()
    status, _ = _store(server, EXPLICIT_VR_LITTLE_ENDIAN, uid, dataset(uid)[:-cut])
    assert status == Status.CANNOT_UNDERSTAND


@pytest.mark.parametrize("length", [260, 0x7FFFFFFF, 0xFFFFFFFE])
def test_pixels_that_claim_to_be_longer_than_what_comes_are_refused(server: Server, length: int) -> None:
    uid = new_uid()
    data = bytearray(dataset(uid))
    at = data.index(struct.pack("<HH2s", 0x7FE0, 0x0010, b"OW"))
    data[at + 8 : at + 12] = struct.pack("<I", length)
    status, _ = _store(server, EXPLICIT_VR_LITTLE_ENDIAN, uid, bytes(data))
    assert status == Status.CANNOT_UNDERSTAND


def test_a_value_that_claims_four_gigabytes_is_refused(server: Server) -> None:
    uid = new_uid()
    lie = struct.pack("<HH2sHI", 0x0009, 0x1001, b"UN", 0, 0xFFFFFFFE)
    data = dataset(uid)
    at = data.index(struct.pack("<HH", 0x0010, 0x0010))
    status, _ = _store(server, EXPLICIT_VR_LITTLE_ENDIAN, uid, data[:at] + lie + data[at:])
    assert status == Status.CANNOT_UNDERSTAND


@bounded(max_examples=60, deadline=None)
@given(noise=st.binary(min_size=1, max_size=4_000))
def test_noise_is_refused(process: Server, noise: bytes) -> None:
    status, _ = _store(process, EXPLICIT_VR_LITTLE_ENDIAN, new_uid(), noise)
    assert status in (Status.CANNOT_UNDERSTAND, Status.DATASET_MISMATCH)


# Row 30.


@pytest.mark.parametrize("undefined", [False, True], ids=["defined", "undefined"])
@pytest.mark.parametrize("depth", _DEPTHS)
def test_sequences_nested_too_deep_are_refused_at_once(server: Server, depth: int, *, undefined: bool) -> None:
    uid = new_uid()
    data = dataset(uid)
    at = data.index(struct.pack("<HH", 0x7FE0, 0x0010))
    deep = data[:at] + nested(depth, undefined=undefined) + data[at:]
    status, took = _store(server, EXPLICIT_VR_LITTLE_ENDIAN, uid, deep)
    assert status == Status.CANNOT_UNDERSTAND
    assert took <= 1


def test_sequences_nested_as_deep_as_is_allowed_are_kept(server: Server) -> None:
    uid = new_uid()
    data = dataset(uid)
    at = data.index(struct.pack("<HH", 0x7FE0, 0x0010))
    status, _ = _store(server, EXPLICIT_VR_LITTLE_ENDIAN, uid, data[:at] + nested(64, undefined=True) + data[at:])
    assert status == Status.SUCCESS


# Row 31 and 32.


@pytest.mark.parametrize("inflated_bytes", [300 << 20, 2 << 30], ids=["300 MB", "2 GB"])
def test_a_deflate_bomb_is_refused_without_being_inflated(server: Server, inflated_bytes: int) -> None:
    uid = new_uid()
    start = dataset(uid, left_out=frozenset({PIXEL_DATA}))
    start += struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, inflated_bytes)
    packer = zlib.compressobj(9, wbits=-15)
    bomb = packer.compress(start)
    block = bytes(1 << 20)
    bomb += b"".join(packer.compress(block) for _ in range(inflated_bytes >> 20)) + packer.flush()
    before = server.footprint().rss_bytes
    status, _ = _store(server, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, uid, bomb + b"\0" * (len(bomb) % 2))
    assert status == Status.OUT_OF_RESOURCES
    assert server.footprint().rss_bytes <= before + MAX_GROWTH_BYTES


def test_millions_of_elements_are_refused(server: Server) -> None:
    elements = struct.pack("<HHI", 0x0009, 0x0010, 0) * _ELEMENTS
    before = server.footprint().rss_bytes
    status, took = _store(server, IMPLICIT_VR_LITTLE_ENDIAN, new_uid(), elements)
    assert status == Status.OUT_OF_RESOURCES
    assert took <= 1
    assert server.footprint().rss_bytes <= before + MAX_GROWTH_BYTES


# Row 33 and 35.


@pytest.mark.parametrize(
    "pixels",
    [
        b"\xfe\xff\0\xe0\0\0\0\0" + b"\xfe\xff\0\xe0\4\0\0\0\xff\xd8\xff\xd9" + b"\xfe\xff\xdd\xe0\0\0\0\0",
        b"\xfe\xff\0\xe0\x08\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\0\xe0\4\0\0\0ABCD\xfe\xff\xdd\xe0\0\0\0\0",
        b"\xfe\xff\0\xe0\0\0\0\0\xfe\xff\0\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0",
    ],
    ids=["tiny frame", "offset table", "empty fragment"],
)
def test_compressed_pixels_that_no_codec_reads_are_kept_bit_for_bit(server: Server, pixels: bytes) -> None:
    uid = new_uid()
    dimensions = (0x00280010, "US", b"\xff\xff"), (0x00280011, "US", b"\xff\xff"), (0x00280008, "IS", b"99999 ")
    data = dataset(uid, left_out=frozenset({PIXEL_DATA, 0x00280010, 0x00280011}))
    data = data.replace(b"(\0\0\1US", b"".join(_short(*each) for each in sorted(dimensions)) + b"(\0\0\1US")
    data += struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + pixels
    status, _ = _store(server, _JPEG, uid, data)
    assert status == Status.SUCCESS
    assert _kept(server, uid) == data


def _short(tag: int, vr: str, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr.encode(), len(value)) + value


def test_native_pixels_of_other_dimensions_than_told_are_kept_bit_for_bit(server: Server) -> None:
    uid = new_uid()
    data = dataset(uid, replaced={0x00280010: b"\xff\xff", 0x00280011: b"\xff\xff"})
    status, _ = _store(server, EXPLICIT_VR_LITTLE_ENDIAN, uid, data)
    assert status == Status.SUCCESS
    assert _kept(server, uid) == data


def test_the_same_object_again_succeeds_and_another_under_its_uid_is_refused(server: Server) -> None:
    uid = new_uid()
    data, other = dataset(uid), dataset(uid, pixels=b"\5\6" * 128)
    answers = [_store(server, EXPLICIT_VR_LITTLE_ENDIAN, uid, sent)[0] for sent in (data, data, other, data)]
    assert answers == [0, 0, Status.DUPLICATE_SOP_INSTANCE, 0]
    assert _kept(server, uid) == data
