"""Keys of queries to other nodes: what is none is refused by name; what a peer answers is read as far as it can be."""

import pytest

from archimage.dicom.encode import encode_elements
from archimage.errors import DicomError, InvalidQueryError
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from archimage.services.keys import SHOWN, decode_keys, encode_keys

SYNTAXES = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("level", SHOWN)
def test_what_is_usual_can_be_asked_for_at_every_level(level: str, syntax: str) -> None:
    asked = decode_keys(encode_keys(level, [(name, "") for name in SHOWN[level]], syntax), syntax)
    assert asked == {"QueryRetrieveLevel": level} | dict.fromkeys(SHOWN[level], "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NoSuchKeyword", ""),
        ("", "x"),
        ("0002,0010", "1.2"),
        ("0000,0000", "1"),
        ("FFFE,E000", "x"),
        ("PixelData", "x"),
        ("Rows", "many"),
        ("RequestAttributesSequence", "x"),
        ("RequestAttributesSequence[7].StudyID", "x"),
    ],
)
def test_what_is_no_key_is_refused_in_one_line(name: str, value: str) -> None:
    with pytest.raises(InvalidQueryError) as caught:
        encode_keys("STUDY", [(name, value)], EXPLICIT_VR_LITTLE_ENDIAN)
    assert len(str(caught.value).splitlines()) == 1


def test_a_value_that_no_parser_takes_is_left_out_and_the_rest_is_told() -> None:
    answer = encode_elements([(0x00080060, "CS", b"CT"), (0x00189087, "FD", b"abcd")], EXPLICIT_VR_LITTLE_ENDIAN)
    assert decode_keys(answer, EXPLICIT_VR_LITTLE_ENDIAN) == {"Modality": "CT"}


def test_what_is_no_data_set_is_told() -> None:
    with pytest.raises(DicomError):
        decode_keys(b"\x08\0\x05\0CS\xff\xff\0", EXPLICIT_VR_LITTLE_ENDIAN)
