"""What a peer's refusal means, in words for a person.

Ref: PS3.8 Tables 9-18 (presentation contexts), 9-21 (A-ASSOCIATE-RJ), 9-26 (A-ABORT).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_REJECTIONS: Final[Mapping[tuple[int, int], str]] = MappingProxyType(
    {
        (1, 1): "it gives no reason",
        (1, 2): "it does not support our application context",
        (1, 3): "it does not know our AE title; have it entered there",
        (1, 7): "it does not answer to this called AE title; check the title",
        (2, 1): "it gives no reason",
        (2, 2): "it does not support our protocol version",
        (3, 1): "it is congested; try again later",
        (3, 2): "it has as many associations as it allows; try again later",
    }
)
_ABORTS: Final[Mapping[tuple[int, int], str]] = MappingProxyType(
    {
        (2, 0): "no reason given",
        (2, 1): "it did not recognise a PDU",
        (2, 2): "it did not expect a PDU",
        (2, 4): "it did not recognise a parameter of a PDU",
        (2, 5): "it did not expect a parameter of a PDU",
        (2, 6): "it found an invalid value in a PDU",
    }
)
_CONTEXTS: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "refused by its user",
        2: "refused without a reason",
        3: "it does not support the SOP class",
        4: "it supports the SOP class, but none of the transfer syntaxes",
    }
)


def rejection(result: int, source: int, reason: int) -> str:
    """Say why an association was rejected."""
    lasting = "for now" if result == 2 else "for good"
    return f"{_REJECTIONS.get((source, reason), f'source {source}, reason {reason}')} ({lasting})"


def abortion(source: int, reason: int) -> str:
    """Say why an association was aborted."""
    if source == 0:
        return "by its user, no reason given"
    return _ABORTS.get((source, reason), f"source {source}, reason {reason}")


def context_result(result: int) -> str:
    """Say why a presentation context was refused."""
    return _CONTEXTS.get(result, f"result {result}")
