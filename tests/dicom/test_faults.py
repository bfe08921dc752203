"""What may be a value (PS3.5 §6.2): what is wrong is said in words, and what is right goes through."""

import pytest

from archimage.dicom.faults import fault, tidy


@pytest.mark.parametrize(
    ("vr", "text"),
    [
        *(("PN", text) for text in ("Demo^Name", "Yamada^Tarou=山田^太郎=やまだ^たろう", "a^b^c^d^e", "x" * 64, "")),
        *(("DA", text) for text in ("20240229", "19000101", "")),
        *(("TM", text) for text in ("12", "1230", "123059", "123059.5", "235960", "000000.123456")),
        *(("AS", text) for text in ("043Y", "006M")),
        *(("DS", text) for text in ("1.75", "-.5", "+1e3", "70")),
        *(("IS", text) for text in ("7", "-2147483648", "+12")),
        *(("CS", text) for text in ("F", "HEAD_NECK 2", "")),
        ("LO", "x" * 64),
        ("SH", "Größe"),
        ("LT", "two\r\nlines \\ and more"),
    ],
)
def test_what_the_standard_allows_goes_through(vr: str, text: str) -> None:
    assert fault(text, vr) == ""


@pytest.mark.parametrize(
    ("vr", "text", "words"),
    [
        ("PN", "x" * 65, "more than 64 characters"),
        ("PN", "a=b=c=d", "more than 3 groups"),
        ("PN", "a^b^c^d^e^f", "more than 5 components"),
        ("DA", "20230229", "no day of the calendar"),
        ("DA", "2024011", "no date"),
        ("DA", "٢٠٢٤٠١٠١", "no date"),
        *(("TM", text, "no time") for text in ("1", "24", "1260", "12305", "1230.5", "12:30")),
        ("AS", "43Y", "no age"),
        ("DS", "1,75", "no number"),
        ("DS", "1" * 17, "longer than 16"),
        ("IS", "1.5", "no whole number"),
        ("IS", "2147483648", "beyond 32 bits"),
        ("CS", "f", "capital letters"),
        ("LO", "x" * 65, "longer than 64"),
        ("SH", "x" * 17, "longer than 16"),
        ("LT", "x" * 10_241, "longer than 10240"),
        *((vr, "a\x1bb", "control character") for vr in ("LO", "LT", "PN")),
        ("LO", "a\nb", "control character"),
        ("LO", "a\ud800", "half a surrogate pair"),
        ("LO", "a\\b", "one value only"),
    ],
)
def test_what_it_does_not_is_told(vr: str, text: str, words: str) -> None:
    assert words in fault(text, vr)


def test_each_of_several_values_is_looked_at() -> None:
    assert fault("Demo^One\\Demo^Two", "PN", multiple=True) == ""
    assert "longer than 64" in fault("a\\" + "x" * 65, "LO", multiple=True)


def test_padding_is_no_part_of_a_value() -> None:
    assert [tidy(text, vr) for text, vr in (("A ", "LO"), ("Demo^A=", "PN"), (" 7 ", "IS"), ("a\n ", "LT"))] == [
        "A",
        "Demo^A",
        "7",
        "a\n",
    ]
