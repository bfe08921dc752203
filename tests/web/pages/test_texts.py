"""DICOM values as people read them."""

import pytest

from archimage.web.pages import texts


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Doe^Jane", "Doe, Jane"),
        ("Doe^Jane^M^Dr^", "Doe, Jane M Dr"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou (山田, 太郎)"),
        ("=山田^太郎", "山田, 太郎"),
        ("==やまだ", "やまだ"),
        ("^^^", ""),
        ("", ""),
    ],
)
def test_names_begin_with_the_family_name(text: str, shown: str) -> None:
    assert texts.person(text) == shown


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (texts.date("20241231"), "2024-12-31"),
        (texts.date("2024"), "2024"),
        (texts.clock("235959.123"), "23:59"),
        (texts.clock("23"), "23"),
        (texts.sex("f"), "female"),
        (texts.sex("?"), "?"),
        (texts.number(1234567), "1,234,567"),
    ],
)
def test_what_cannot_be_read_stays(shown: str, expected: str) -> None:
    assert shown == expected
