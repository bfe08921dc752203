"""Colour spaces that a client may ask for (PS3.18 §8.3.5.1.5), against values that are known of them."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from archimage.dicom.render.images import Picture, check_profile, encode_image
from archimage.dicom.render.options import ICC_PROFILES, RenderOptions
from archimage.dicom.render.profiles import in_space, profile
from archimage.errors import InvalidRequestError, NotAcceptableError

NAMED = sorted(ICC_PROFILES - {"no", "yes"})
LITTLE_CMS_SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
COLOURS: Picture = np.array([[[255, 0, 0], [0, 255, 0], [255, 255, 255], [128, 128, 128]]], np.uint8)
KNOWN = {
    "srgb": [[255, 0, 0], [0, 255, 0], [255, 255, 255], [128, 128, 128]],
    "adobergb": [[219, 0, 0], [144, 255, 60], [255, 255, 255], [127, 127, 127]],
    "rommrgb": [[179, 70, 26], [138, 237, 78], [255, 255, 255], [109, 109, 109]],
    "displayp3": [[234, 51, 35], [117, 251, 76], [255, 255, 255], [128, 128, 128]],
}


@pytest.mark.parametrize("name", NAMED)
def test_colours_have_the_values_that_are_known_of_a_space(name: str) -> None:
    picture, used = in_space(COLOURS, LITTLE_CMS_SRGB, name)
    assert used == profile(name)
    assert np.abs(picture[0].astype(int) - KNOWN[name]).max() <= 1


@pytest.mark.parametrize("name", NAMED)
def test_profiles_are_such_as_others_read(name: str) -> None:
    read = ImageCms.ImageCmsProfile(BytesIO(profile(name)))
    assert ImageCms.getProfileName(read).strip() != ""
    assert ImageCms.isIntentSupported(read, ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Direction.OUTPUT) == 1
    there, _ = in_space(COLOURS, None, name)
    back, _ = in_space(there, profile(name), "srgb")
    assert np.abs(back.astype(int) - COLOURS).max() <= 4


def test_without_a_word_a_picture_and_its_profile_are_left_alone() -> None:
    for own, wanted, expected in (
        (b"own", None, b"own"),
        (b"own", "no", None),
        (b"own", "yes", b"own"),
        (None, "yes", profile("srgb")),
    ):
        picture, used = in_space(COLOURS, own, wanted)
        assert np.array_equal(picture, COLOURS)
        assert used == expected


def test_grey_becomes_colour_where_a_profile_is_asked_for() -> None:
    grey = np.array([[0, 128, 255]], np.uint8)
    for wanted in ("yes", "srgb", "rommrgb"):
        picture, _ = in_space(grey, None, wanted)
        assert picture.shape == (1, 3, 3)
        assert len({tuple(pixel) for pixel in picture[0].tolist()}) == 3
        assert all(len(set(pixel)) == 1 for pixel in picture[0].tolist())
    assert in_space(grey, None, "no")[0].ndim == 2


@pytest.mark.parametrize(
    "own", [b"no profile", LITTLE_CMS_SRGB[:200], ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()]
)
def test_a_profile_that_cannot_be_used_is_told(own: bytes) -> None:
    with pytest.raises(NotAcceptableError, match="ICC profile"):
        in_space(COLOURS, own, "srgb")


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png"])
def test_files_hold_the_profile(media_type: str) -> None:
    picture, used = in_space(COLOURS, None, "displayp3")
    image = Image.open(BytesIO(encode_image(picture, media_type, icc_profile=used)))
    assert image.info["icc_profile"] == profile("displayp3")


def test_a_format_without_profiles_is_not_acceptable_where_one_is_asked_for() -> None:
    for wanted in (None, "no"):
        check_profile("image/gif", wanted)
    for wanted in ("yes", "srgb"):
        with pytest.raises(NotAcceptableError, match="image/png"):
            check_profile("image/gif", wanted)
        check_profile("image/jpeg", wanted)


def test_options_know_the_names() -> None:
    wanted = RenderOptions(icc_profile="rommrgb")
    assert RenderOptions.from_json(wanted.to_json()) == wanted
    with pytest.raises(InvalidRequestError, match="iccprofile"):
        RenderOptions(icc_profile="cmyk")
