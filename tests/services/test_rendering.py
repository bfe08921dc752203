"""Pictures of stored images: every real one is shown or refused with a reason; documents are handed through."""

from collections.abc import Iterator
from contextlib import closing
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from archimage.dicom.codecs.syntaxes import JPEG_2000_LOSSLESS, VIDEO
from archimage.dicom.pixels import decode_frame
from archimage.dicom.render.frames import render_frame
from archimage.dicom.render.header import decode_header
from archimage.dicom.render.options import RenderOptions, Viewport
from archimage.errors import (
    ArchimageError,
    ExcessiveRequestError,
    InvalidDatasetError,
    InvalidPixelDataError,
    InvalidRequestError,
    NotAcceptableError,
    NotFoundError,
)
from archimage.imaging.pool import WorkerPool
from archimage.imaging.process import WorkerSettings
from archimage.model.records import StoredInstance
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from archimage.services.frames import FrameService
from archimage.services.rendering import RenderingService
from archimage.services.store import Expected
from tests.attacks.datasets import SOP_CLASS_UID, dataset, new_uid
from tests.dicom.files import real_file
from tests.dicom.images import real_image, real_images
from tests.services.parts import Open, Parts, expected
from tests.services.test_transcoding import keep, kept

PDF = "1.2.840.10008.5.1.4.1.1.104.1"
AS_IT_IS = RenderOptions()


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    """Two workers for the module."""
    with closing(WorkerPool(2, WorkerSettings())) as pool:
        yield pool


@pytest.fixture
def service(parts: Parts, pool: WorkerPool) -> RenderingService:
    """The service over an empty archive."""
    return RenderingService(FrameService(parts.index, parts.blobs), pool)


def keep_bytes(parts: Parts, data: bytes, announced: Expected) -> StoredInstance:
    """Store a data set."""
    parts.service.store(announced, [data])
    found = parts.index.lookup(announced.sop_instance_uid)
    assert found is not None
    return found


def picture(data: bytes) -> Image.Image:
    """Open a picture and decode it."""
    image = Image.open(BytesIO(data))
    image.load()
    return image


def test_every_real_image_is_shown_or_refused_with_a_reason(opened: Open, pool: WorkerPool) -> None:
    parts = opened(replace=True)
    service = RenderingService(FrameService(parts.index, parts.blobs), pool)
    shown, refused = 0, {}
    for image in real_images():
        instance = kept(parts, image)
        if instance is None:
            continue
        try:
            found = picture(service.frame(instance, 1, AS_IT_IS, "image/jpeg"))
        except (NotAcceptableError, InvalidPixelDataError, InvalidDatasetError) as error:
            refused[image.name] = str(error)
            continue
        description = image.description
        assert found.format == "JPEG"
        assert max(found.size) >= max(description.columns, description.rows), image.name
        shown += 1
    assert shown > 80
    assert all(refused.values())
    assert len(refused) < shown / 20, refused


@pytest.mark.parametrize(
    "name", ["emri_small_jpeg_2k_lossless.dcm", "emri_small_big_endian.dcm", "color3d_jpeg_baseline.dcm"]
)
def test_each_frame_is_shown_as_it_would_be_here(parts: Parts, service: RenderingService, name: str) -> None:
    image = real_image(real_file(name))
    assert image is not None
    instance = keep(parts, name)
    header = decode_header(image.header, image.syntax)
    for number in (1, 3):
        array, photometric = decode_frame(image.frames[number - 1], image.syntax, image.description)
        here = render_frame(header, array, photometric, number, AS_IT_IS)
        found = picture(service.frame(instance, number, AS_IT_IS, "image/png"))
        np.testing.assert_array_equal(np.asarray(found), here)


def test_the_options_reach_the_worker(parts: Parts, service: RenderingService) -> None:
    instance = keep(parts, "CT_small.dcm")
    small = RenderOptions(window=(0.0, 400.0, "LINEAR"), viewport=Viewport(32, 32), quality=50)
    found = picture(service.frame(instance, 1, small, "image/jpeg"))
    assert found.size == (32, 32)
    assert np.any(
        np.asarray(found) != np.asarray(picture(service.frame(instance, 1, AS_IT_IS, "image/jpeg")).resize((32, 32)))
    )
    beyond = RenderOptions(viewport=Viewport(32, 32, 1000, 1000, 5, 5))
    with pytest.raises(InvalidRequestError):
        service.frame(instance, 1, beyond, "image/jpeg")
    with pytest.raises(NotAcceptableError, match="image/bmp"):
        service.frame(instance, 1, AS_IT_IS, "image/bmp")


def test_all_frames_become_a_loop(parts: Parts, service: RenderingService) -> None:
    instance = keep(parts, "emri_small.dcm")
    found = Image.open(BytesIO(service.loop(instance, AS_IT_IS)))
    assert found.format == "GIF"
    durations = []
    for number in range(found.n_frames):  # type: ignore[attr-defined] # of a GIF
        found.seek(number)
        durations.append(found.info["duration"])
    assert found.n_frames == 10  # type: ignore[attr-defined]
    assert set(durations) == {40}


def test_a_frame_that_is_not_there_is_not_found(parts: Parts, service: RenderingService) -> None:
    instance = keep(parts, "emri_small.dcm")
    for number in (0, 11, -1):
        with pytest.raises(NotFoundError):
            service.frame(instance, number, AS_IT_IS, "image/jpeg")


def test_an_object_without_pixels_is_refused(parts: Parts, service: RenderingService) -> None:
    uid = new_uid()
    instance = keep_bytes(parts, dataset(uid, left_out=frozenset({0x7FE00010})), expected(uid))
    for attempt in (
        lambda: service.frame(instance, 1, AS_IT_IS, "image/jpeg"),
        lambda: service.loop(instance, AS_IT_IS),
        lambda: service.document(instance),
    ):
        with pytest.raises(NotAcceptableError):
            attempt()
    assert service.media_type(instance) is None


def test_loops_have_limits(parts: Parts, service: RenderingService) -> None:
    uid = new_uid()
    many = dataset(uid, pixels=bytes(2002), replaced=one_pixel(), more=frames(1001))
    with pytest.raises(ExcessiveRequestError, match="1001 frames"):
        service.loop(keep_bytes(parts, many, expected(uid)), AS_IT_IS)


def one_pixel() -> dict[int, bytes]:
    """Return one row and one column."""
    return {0x00280010: b"\1\0", 0x00280011: b"\1\0"}


def frames(count: int) -> tuple[tuple[int, str, bytes], ...]:
    """Return what describes grey frames of 16 bits."""
    text = str(count).encode()
    return (
        (0x00280002, "US", b"\1\0"),
        (0x00280004, "CS", b"MONOCHROME2"),
        (0x00280008, "IS", text + b" " * (len(text) % 2)),
        (0x00280101, "US", b"\x10\0"),
        (0x00280102, "US", b"\x0f\0"),
        (0x00280103, "US", b"\0\0"),
    )


def test_a_codestream_that_lies_is_refused_and_the_next_one_shown(parts: Parts, service: RenderingService) -> None:
    image = real_image(real_file("emri_small_jpeg_2k_lossless.dcm"))
    assert image is not None
    start = image.pixel.fragments[0][0]
    liar = bytearray(image.data)
    liar[start + 8 : start + 16] = b"\xff" * 8  # of SIZ: the width and height of the reference grid
    uid = new_uid()
    own = image.data.index(b"\x08\0\x18\0UI")
    old = image.data[own + 8 : own + 8 + int.from_bytes(image.data[own + 6 : own + 8], "little")]
    data = bytes(liar).replace(old, uid.encode().ljust(len(old), b"\0"))
    sop_class = image.data[image.data.index(b"\x08\0\x16\0UI") + 8 :].split(b"\0", 1)[0].decode()
    stored = keep_bytes(parts, data, Expected(JPEG_2000_LOSSLESS, sop_class, uid))
    with pytest.raises(InvalidPixelDataError):
        service.frame(stored, 1, AS_IT_IS, "image/jpeg")
    assert picture(service.frame(keep(parts, "CT_small.dcm"), 1, AS_IT_IS, "image/jpeg")).size == (128, 128)


def test_a_pdf_is_handed_through(parts: Parts, service: RenderingService) -> None:
    uid, content = new_uid(), b"%PDF-1.7 and so on"
    pixels = frozenset({0x7FE00010, 0x00280010, 0x00280011, 0x00280100})
    more = ((0x00420011, "OB", content), (0x00420012, "LO", b"application/pdf "))
    data = dataset(uid, replaced={SOP_CLASS_UID: PDF.encode()}, left_out=pixels, more=more)
    instance = keep_bytes(parts, data, Expected(EXPLICIT_VR_LITTLE_ENDIAN, PDF, uid))
    document = service.document(instance)
    with document.value as value:
        assert (document.media_type, value.read(0, value.size_bytes)) == ("application/pdf", content)
    with pytest.raises(ArchimageError):
        service.frame(instance, 1, AS_IT_IS, "image/jpeg")


@pytest.mark.parametrize("syntax", sorted(VIDEO))
def test_a_video_is_handed_through(parts: Parts, service: RenderingService, syntax: str) -> None:
    uid = new_uid()
    data = dataset(uid, left_out=frozenset({0x7FE00010}))
    item = bytes.fromhex("feff00e0 00000000 feff00e0 04000000") + b"film" + bytes.fromhex("feffdde0 00000000")
    data += bytes.fromhex("e07f1000 4f420000 ffffffff") + item
    instance = keep_bytes(parts, data, Expected(syntax, "1.2.840.10008.5.1.4.1.1.2", uid))
    document = service.document(instance)
    with document.value as value:
        assert value.read(0, value.size_bytes) == b"film"
    assert document.media_type.startswith("video/")
    with pytest.raises(NotAcceptableError):
        service.frame(instance, 1, AS_IT_IS, "image/jpeg")
