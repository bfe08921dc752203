"""Pictures come back out of the files that they are written to, with their colour profile."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from archimage.dicom.render.images import encode_gif, encode_image
from archimage.errors import NotAcceptableError
from tests.dicom.pictures import Array, ramp

GREY = ramp(20, 12)
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def opened(data: bytes) -> Image.Image:
    """Return the picture in a file."""
    return Image.open(BytesIO(data))


@pytest.mark.parametrize("picture", [GREY, COLOUR])
@pytest.mark.parametrize("media_type", ["image/png", "image/jp2"])
def test_lossless_formats_keep_every_pixel(picture: Array, media_type: str) -> None:
    image = opened(encode_image(picture, media_type))
    assert Image.MIME[image.format or ""] == media_type
    assert np.array_equal(np.asarray(image), picture)


@pytest.mark.parametrize("picture", [GREY, COLOUR])
def test_a_jpeg_is_close_and_its_quality_decides_how_large(picture: Array) -> None:
    fine, coarse = encode_image(picture, "image/jpeg", 95), encode_image(picture, "image/jpeg", 20)
    assert len(coarse) < len(fine)
    assert np.abs(np.asarray(opened(fine)).astype(int) - picture).mean() < 3
    assert opened(fine).mode == ("L" if picture.ndim == 2 else "RGB")


def test_a_gif_keeps_all_greys() -> None:
    assert np.array_equal(np.asarray(opened(encode_image(GREY, "image/gif")).convert("L")), GREY)


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg"])
def test_the_colour_profile_stays_with_colours_only(media_type: str) -> None:
    assert opened(encode_image(COLOUR, media_type, icc_profile=PROFILE)).info["icc_profile"] == PROFILE
    assert "icc_profile" not in opened(encode_image(GREY, media_type, icc_profile=PROFILE)).info


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/gif", "image/jp2"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 2, 3)])
def test_the_smallest_pictures_are_written_too(media_type: str, shape: tuple[int, ...]) -> None:
    image = opened(encode_image(np.zeros(shape, np.uint8), media_type))
    assert image.size == (shape[1], shape[0])


def test_an_unknown_media_type_is_not_acceptable() -> None:
    with pytest.raises(NotAcceptableError, match="image/webp"):
        encode_image(GREY, "image/webp")


def test_a_picture_too_large_for_jpeg_is_not_acceptable_as_one() -> None:
    long = np.zeros((1, 65_501), np.uint8)
    with pytest.raises(NotAcceptableError, match="image/png"):
        encode_image(long, "image/jpeg")
    assert opened(encode_image(long, "image/png")).size == (65_501, 1)


@pytest.mark.parametrize("picture", [GREY, COLOUR])
def test_a_loop_shows_every_frame_for_its_time(picture: Array) -> None:
    pictures = [np.roll(picture, step, axis=0) for step in range(5)]
    loop = opened(encode_gif(iter(pictures), 66.7))
    assert (loop.n_frames, loop.info["loop"], loop.info["duration"]) == (5, 0, 70)  # type: ignore[attr-defined]
    loop.seek(3)
    assert (
        np.abs(
            np.asarray(loop.convert("RGB")).astype(int) - np.asarray(Image.fromarray(pictures[3]).convert("RGB"))
        ).max()
        <= 24
    )


def test_a_loop_is_never_faster_than_viewers_show_it() -> None:
    assert opened(encode_gif([GREY, GREY[::-1]], 1)).info["duration"] == 20


def test_a_loop_of_one_picture_is_a_picture() -> None:
    assert np.array_equal(np.asarray(opened(encode_gif([GREY], 40)).convert("L")), GREY)
