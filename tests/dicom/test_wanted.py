"""What is wanted is compiled once for a set of paths."""

from archimage.dicom.layout import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, PIXEL_DATA
from archimage.dicom.wanted import SPECIFIC_CHARACTER_SET, wanted_of


def test_equal_sets_share_their_keys() -> None:
    first = wanted_of(frozenset({0x00100010, (0x00081140, 0x00081155)}))
    second = wanted_of(frozenset({(0x00081140, 0x00081155), 0x00100010}))
    assert first is second
    assert first.top_keys(EXPLICIT_LITTLE) is second.top_keys(EXPLICIT_LITTLE)


def test_keys_are_in_the_layout_s_order_and_include_what_is_needed_to_read_the_rest() -> None:
    wanted = wanted_of(frozenset({0x00100010, (0x00081140, 0x00081155)}))
    assert wanted.top_keys(EXPLICIT_LITTLE)[0x00100010] == 0x00100010
    assert wanted.top_keys(EXPLICIT_LITTLE)[0x00107FE0] == PIXEL_DATA
    assert wanted.top_keys(EXPLICIT_BIG)[PIXEL_DATA] == PIXEL_DATA
    assert SPECIFIC_CHARACTER_SET in wanted.item_keys(0x00081140, EXPLICIT_BIG)
    assert 0x00081155 in wanted.item_keys(0x00081140, EXPLICIT_BIG)
    assert 0x00081155 not in wanted.item_keys(-1, EXPLICIT_BIG)
    assert 0x11400008 in wanted.item_keys(-1, IMPLICIT_LITTLE)
