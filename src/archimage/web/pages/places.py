"""Where pages stand, and which of them lead to which."""

from typing import Final, NamedTuple


class Place(NamedTuple):
    """A page of the department: its name, its address, and what is found there."""

    name: str
    address: str
    about: str


DEPARTMENT: Final[tuple[Place, ...]] = (
    Place("Worklist", "/worklist", "Who is to be examined, when and where; modalities ask for it."),
    Place(
        "Performed steps",
        "/performed-steps",
        "What modalities say that they do and have done, and which of the images they have made are here.",
    ),
    Place(
        "Work items", "/workitems", "What is to be done once by whoever claims it first: reading, processing, planning."
    ),
    Place("Commitments", "/commitments", "Who asked whether objects are really kept, here or elsewhere."),
    Place("Prints", "/print", "Films that modalities printed here, as PDF, to be printed again."),
    Place("Messages", "/messages", "HL7 messages that came, and those that failed, to be tried again."),
    Place("Deliveries", "/deliveries", "What others are to be told: what waits, and what failed, and why."),
    Place("Routing", "/routing", "What goes where by itself: the rules, what they did, and what failed."),
    Place("Objects without a patient", "/objects", "Hanging protocols, color palettes, protocols, implant templates."),
)
"""Pages of the department's services; each of them leads to the others."""
PLAIN: Final = (
    "/upload",
    "/nodes",
    "/query",
    "/activity",
    "/jobs",
    "/changes",
    "/retention",
    "/system",
    "/concurrency",
    "/plugins",
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
