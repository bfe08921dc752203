"""Answers to what never becomes a request: they are written by hand, and the connection ends with them."""

from http import HTTPStatus
from typing import Final

import orjson

EVERY_ANSWER: Final = {"X-Content-Type-Options": "nosniff"}
"""Headers that every answer of the web side has, whichever part gives it."""


def last_answer(status: HTTPStatus, message: str, next_step: str) -> bytes:
    """Write the answer that says what is wrong and what to do next."""
    body = orjson.dumps({"error": message, "next": next_step})
    headers = {
        **EVERY_ANSWER,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    lines = "".join(f"{name.lower()}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status:d} {status.phrase}\r\n{lines}\r\n".encode("ascii") + body
