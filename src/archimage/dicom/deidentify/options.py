"""The options of the de-identification profile, and the codes that say in an object which of them were used.

Ref: PS3.15 §E.2, §E.3; PS3.16 CID 7050.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from archimage.errors import InvalidRequestError


class Option(StrEnum):
    """An option; the value is its name on the command line and in requests."""

    CLEAN_PIXEL_DATA = "clean-pixel-data"
    CLEAN_VISUAL_FEATURES = "clean-recognizable-visual-features"
    CLEAN_GRAPHICS = "clean-graphics"
    CLEAN_STRUCTURED_CONTENT = "clean-structured-content"
    CLEAN_DESCRIPTORS = "clean-descriptors"
    RETAIN_FULL_DATES = "retain-full-dates"
    RETAIN_MODIFIED_DATES = "retain-modified-dates"
    RETAIN_PATIENT_CHARACTERISTICS = "retain-patient-characteristics"
    RETAIN_DEVICE_IDENTITY = "retain-device-identity"
    RETAIN_UIDS = "retain-uids"
    RETAIN_SAFE_PRIVATE = "retain-safe-private"
    RETAIN_INSTITUTION_IDENTITY = "retain-institution-identity"


BASIC_PROFILE: Final = ("113100", "Basic Application Confidentiality Profile")

CODES: Final[Mapping[Option, tuple[str, str]]] = MappingProxyType(
    {
        Option.CLEAN_PIXEL_DATA: ("113101", "Clean Pixel Data Option"),
        Option.CLEAN_VISUAL_FEATURES: ("113102", "Clean Recognizable Visual Features Option"),
        Option.CLEAN_GRAPHICS: ("113103", "Clean Graphics Option"),
        Option.CLEAN_STRUCTURED_CONTENT: ("113104", "Clean Structured Content Option"),
        Option.CLEAN_DESCRIPTORS: ("113105", "Clean Descriptors Option"),
        Option.RETAIN_FULL_DATES: ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
        Option.RETAIN_MODIFIED_DATES: ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
        Option.RETAIN_PATIENT_CHARACTERISTICS: ("113108", "Retain Patient Characteristics Option"),
        Option.RETAIN_DEVICE_IDENTITY: ("113109", "Retain Device Identity Option"),
        Option.RETAIN_UIDS: ("113110", "Retain UIDs Option"),
        Option.RETAIN_SAFE_PRIVATE: ("113111", "Retain Safe Private Option"),
        Option.RETAIN_INSTITUTION_IDENTITY: ("113112", "Retain Institution Identity Option"),
    }
)
"""Code values of the scheme DCM, and their meanings."""

COLUMNS: Final[Mapping[str, Option]] = MappingProxyType(
    {
        "graphics": Option.CLEAN_GRAPHICS,
        "content": Option.CLEAN_STRUCTURED_CONTENT,
        "descriptors": Option.CLEAN_DESCRIPTORS,
        "full": Option.RETAIN_FULL_DATES,
        "modified": Option.RETAIN_MODIFIED_DATES,
        "patient": Option.RETAIN_PATIENT_CHARACTERISTICS,
        "device": Option.RETAIN_DEVICE_IDENTITY,
        "uids": Option.RETAIN_UIDS,
        "institution": Option.RETAIN_INSTITUTION_IDENTITY,
    }
)
"""Columns of Table E.1-1 as our table calls them."""


def parse_options(names: Iterable[str]) -> frozenset[Option]:
    """Read options by their names.

    Raises:
        InvalidRequestError: there is no such option, or two of them exclude one another, or one needs another.
    """
    options = set()
    for name in names:
        try:
            options.add(Option(name))
        except ValueError:
            raise InvalidRequestError(
                f"no option is called {name!r}", next_step=f"There are {', '.join(Option)}."
            ) from None
    if {Option.RETAIN_FULL_DATES, Option.RETAIN_MODIFIED_DATES} <= options:
        raise InvalidRequestError("dates are either kept or modified: both options were asked for")
    if Option.CLEAN_VISUAL_FEATURES in options and Option.CLEAN_PIXEL_DATA not in options:
        raise InvalidRequestError(f"{Option.CLEAN_VISUAL_FEATURES} removes pixels, and all of them were to be kept")
    return frozenset(options)
