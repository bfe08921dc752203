"""Dates and times as ACR-NEMA wrote them: 1994.11.05 and 10:30:00, which readers are to take still.

Ref: PS3.5 §6.2, Table 6.2-1 (DA, TM).
"""


def plain_date(text: str) -> str:
    """Return a date as YYYYMMDD where it is YYYY.MM.DD, any other text as it is."""
    return text.replace(".", "") if len(text) == 10 and text[4] == text[7] == "." else text


def plain_time(text: str) -> str:
    """Return a time as HHMMSS where it is HH:MM:SS, with its fraction; any other text as it is."""
    return text.replace(":", "") if text[2:3] == ":" else text
