"""Where pages stand, and which of them lead to which."""

from typing import Final, NamedTuple


class Place(NamedTuple):
    """A page of the department: its name, its address, and what is found there."""

    name: str
    address: str
    about: str


DEPARTMENT: Final[tuple[Place, ...]] = (
    Place("Objects without a patient", "/objects", "Hanging protocols, color palettes, protocols, implant templates."),
    Place("Commitments", "/commitments", "Who asked whether objects are really kept, here or elsewhere."),
    Place("Messages", "/messages", "HL7 messages that came, and those that failed, to be tried again."),
)
"""Pages of the department's services; each of them leads to the others."""
PLAIN: Final = (
    "/upload",
    "/nodes",
    "/query",
    "/activity",
    "/changes",
    "/system",
    "/concurrency",
    "/access",
    "/users",
    "/me",
    "/docs",
    "/department",
    *(place.address for place in DEPARTMENT),
)
"""Addresses of pages whose scripts ask for all that they show."""
ADDRESSES: Final = frozenset({"/", "/viewer", *PLAIN})
"""Addresses that are pages as they stand."""
SEGMENTS: Final = (*(address[1:] for address in ADDRESSES), "studies", "static", "login")
"""First segments of the addresses that are pages or belong to them."""
NAVIGATION: Final = (
    ("Studies", "/", "studies"),
    ("Upload", "/upload", "upload"),
    ("Nodes", "/nodes", "nodes"),
    ("Department", "/department", "department"),
    ("Activity", "/activity", "activity"),
    ("System", "/system", "server"),
)
"""Name, address and icon of the pages that every page leads to."""
