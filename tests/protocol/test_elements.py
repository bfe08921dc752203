"""Command elements, PS3.7 Annex E.1."""

import pytest
from pydicom.datadict import dictionary_VR, keyword_for_tag

from archimage.protocol.elements import BY_NUMBER, DATASET_TYPE, ELEMENTS


def test_elements_stand_in_order_once() -> None:
    numbers = [element.number for element in ELEMENTS]

    assert numbers == sorted(set(numbers)) == list(BY_NUMBER)


@pytest.mark.parametrize("element", ELEMENTS, ids=lambda element: element.name)
def test_elements_are_those_of_the_dictionary(element: object) -> None:
    assert element in ELEMENTS
    number = next(one.number for one in ELEMENTS if one is element)
    example = {"US": 258, "UI": "1.2.3", "AE": "TITLE", "LO": "a comment", "AT": (0x00100010, 0x7FE00010)}

    value = example[dictionary_VR(number)]

    assert keyword_for_tag(number)
    assert BY_NUMBER[number].decode(BY_NUMBER[number].encode(value)) == value


def test_values_are_padded_to_an_even_length() -> None:
    padding = {element.name: element.encode("1.2")[3:] for element in ELEMENTS if "uid" in element.name}

    assert set(padding.values()) == {b"\0"}
    assert BY_NUMBER[0x0600].encode("PACS1") == b"PACS1 "
    assert BY_NUMBER[0x0902].encode("abc") == b"abc "


def test_the_data_set_type_is_that_of_the_standard() -> None:
    assert (DATASET_TYPE.number, DATASET_TYPE.encode(0x0101)) == (0x0800, b"\1\1")
