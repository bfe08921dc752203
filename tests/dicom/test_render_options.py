"""What a caller may ask of a rendering is checked, and crosses a process border as JSON."""

import json
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archimage.dicom.render.options import ANNOTATIONS, RenderOptions, Viewport, Window
from archimage.errors import InvalidRequestError

NUMBERS = st.floats(-1e6, 1e6)
SIZES = st.one_of(st.none(), st.floats(1, 1e6), st.floats(-1e6, -1))
WINDOWS = st.tuples(NUMBERS, st.floats(1, 1e6), st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]))
VIEWPORTS = st.builds(Viewport, st.integers(1, 4000), st.integers(1, 4000), NUMBERS, NUMBERS, SIZES, SIZES)
OPTIONS = st.builds(
    RenderOptions,
    window=st.none() | WINDOWS,
    viewport=st.none() | VIEWPORTS,
    quality=st.integers(1, 100),
    annotation=st.frozensets(st.sampled_from(sorted(ANNOTATIONS))),
    presentation=st.none() | st.binary(),
    presentation_syntax=st.just("1.2.840.10008.1.2"),
)


@given(options=OPTIONS)
def test_options_come_back_from_json_as_they_were(options: RenderOptions) -> None:
    assert RenderOptions.from_json(json.loads(json.dumps(options.to_json()))) == options


def test_nothing_asked_is_the_default() -> None:
    assert RenderOptions.from_json({}) == RenderOptions.from_json(RenderOptions().to_json()) == RenderOptions()


@pytest.mark.parametrize(
    "window",
    [(0, 0, "LINEAR"), (0, 0.5, "LINEAR"), (0, -1, "SIGMOID"), (nan, 1, "LINEAR"), (0, inf, "LINEAR"), (0, 9, "L")],
)
def test_a_window_that_none_can_be_is_refused(window: Window) -> None:
    with pytest.raises(InvalidRequestError, match="window"):
        RenderOptions(window=window)


def test_a_window_narrower_than_one_is_one_where_its_function_allows() -> None:
    assert RenderOptions(window=(0, 0.5, "LINEAR_EXACT")).window == (0, 0.5, "LINEAR_EXACT")


@pytest.mark.parametrize("quality", [0, 101, -1])
def test_a_quality_out_of_range_is_refused(quality: int) -> None:
    with pytest.raises(InvalidRequestError, match="quality"):
        RenderOptions(quality=quality)


def test_an_unknown_annotation_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="annotation is of patient, technique"):
        RenderOptions(annotation=frozenset({"price"}))


@pytest.mark.parametrize("size", [(0, 1), (1, -1), (16_385, 1), (16_384, 16_384)])
def test_a_viewport_without_pixels_or_with_too_many_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidRequestError, match="viewport"):
        Viewport(*size)


@pytest.mark.parametrize("region", [(nan, 0, 1, 1), (0, inf, 1, 1), (0, 0, 0, 1), (0, 0, 1, nan)])
def test_a_region_that_none_can_be_is_refused(region: tuple[float, float, float, float]) -> None:
    with pytest.raises(InvalidRequestError, match="region"):
        Viewport(8, 8, *region)
