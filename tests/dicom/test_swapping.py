"""Words from one byte order into the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archimage.dicom.swapping import swapped


@pytest.mark.parametrize("width", [1, 2, 4, 8])
@given(words=st.integers(0, 40), seed=st.integers(0, 255))
def test_every_word_is_turned(width: int, words: int, seed: int) -> None:
    data = np.random.default_rng(seed).bytes(words * width)
    assert swapped(memoryview(data), width) == np.frombuffer(data, f"u{width}").byteswap().tobytes()


def test_a_part_of_a_word_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple"):
        swapped(b"123", 2)
