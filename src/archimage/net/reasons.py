"""Why an operation with a peer failed, and what to do about it, in words for a person: of commands and of web pages.

Ref: PS3.8 Tables 9-18 (presentation contexts), 9-21 (A-ASSOCIATE-RJ), 9-26 (A-ABORT);
PS3.4 Tables B.2-1, C.4-1 to -3, §H.4.
"""

import errno
import os
import re
import socket
import ssl
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from archimage.protocol.status import Service, Status, describe
from archimage.tls import failures


class Reason(NamedTuple):
    """What went wrong, and the next step: a sentence."""

    what: str
    next_step: str


_LOG: Final = "The peer's log tells more."
_UNSAID: Final = "Ask whoever runs the peer: it may have to know the AE title {calling}, this address or the user."
_LATER: Final = "The peer is busy: try again later."
_OTHER_DICOM: Final = "The peer speaks another version of DICOM: ask its vendor."
_REJECTIONS: Final[Mapping[tuple[int, int], Reason]] = MappingProxyType(
    {
        (1, 1): Reason("no reason given", _UNSAID),
        (1, 2): Reason("application context name not supported", _OTHER_DICOM),
        (1, 3): Reason(
            "calling AE title not recognized",
            "Have the AE title {calling} entered at the peer, with the address of this machine.",
        ),
        (1, 7): Reason(
            "called AE title not recognized",
            "Check the AE title {called}: the peer goes by another; upper and lower case count.",
        ),
        (2, 1): Reason("no reason given", _UNSAID),
        (2, 2): Reason("protocol version not supported", _OTHER_DICOM),
        (3, 1): Reason("temporary congestion", _LATER),
        (3, 2): Reason(
            "local limit exceeded",
            "The peer has as many associations as it allows: try again later.",
        ),
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
_CERTIFICATES: Final = "Compare the certificates of both sides, and whom each trusts; docs/security.md shows how."
_NOWHERE: Final = "Check the address, and the network between this machine and that one."
_CONNECTIONS: Final[Mapping[int, str]] = MappingProxyType(
    {
        errno.ECONNREFUSED: "Nothing listens on port {port} there: check the port, and that the peer's server runs.",
        errno.EHOSTUNREACH: _NOWHERE,
        errno.ENETUNREACH: _NOWHERE,
        errno.ETIMEDOUT: "Check the address and the port; a firewall may drop what is sent to it.",
    }
)
_STATUSES: Final[Mapping[int, str]] = MappingProxyType(
    {
        Status.NOT_AUTHORISED: "Have the peer allow this to our AE title.",
        Status.SOP_CLASS_NOT_SUPPORTED: "The peer does not offer this: have it enabled there, or ask in another way.",
        Status.DUPLICATE_SOP_INSTANCE: "The peer keeps another object under the same UID: compare the two.",
        Status.MOVE_DESTINATION_UNKNOWN: "Have the peer know our AE title, with this machine's address and DICOM port.",
        Status.IDENTIFIER_MISMATCH: "The peer does not understand these keys: ask with fewer or others.",
        Status.CANNOT_UNDERSTAND: _LOG,
    }
)
_LARGER: Final = "Ask for larger films, or for fewer images on each."
_PRINTING: Final[Mapping[int, str]] = MappingProxyType(
    {
        0xC601: _LATER,
        0xC602: _LATER,
        0xC603: _LARGER,
        0xC605: "The printer lacks memory: print fewer images at once, or try again later.",
        0xC613: _LARGER,
    }
)
NO_RESOURCES: Final = range(0xA700, 0xA800)

SILENT: Final = "Something accepts connections there, but does not answer as DICOM does: check the port."
HUNG_UP: Final = (
    "Check the port: it may be another service's, or one for TLS; or the peer lets in only addresses that it knows."
)
BROKEN: Final = f"What answers there may not be a DICOM service: check the port. {_LOG}"
INTERRUPTED: Final = f"Try again. {_LOG}"
NOT_TAKEN: Final = "Look at what is said of the first object; the receiver's log tells more."
NOT_KEPT: Final = "Query the node for what it keeps, and check the UIDs."
NOT_OFFERED: Final = "The peer does not offer this, or not to our AE title: have it enabled there."


def rejection(result: int, source: int, reason: int, *, calling: str, called: str) -> Reason:
    """Say why an association was rejected, in the words of the standard."""
    known = _REJECTIONS.get((source, reason)) or Reason(f"source {source}, reason {reason}", _LOG)
    lasting = "transiently" if result == 2 else "permanently"
    return Reason(f"{known.what} (rejected {lasting})", known.next_step.format(calling=calling, called=called))


def connection(error: OSError, host: str, port: int) -> Reason:
    """Say why no connection could be made."""
    if isinstance(error, socket.gaierror):
        return Reason(f"the name {host} cannot be resolved", "Check the host name, or enter the IP address instead.")
    if isinstance(error, ssl.SSLError):
        return Reason(f"the TLS handshake failed: {failures.explain(error)}", _CERTIFICATES)
    code = _code(error)
    if code is None:
        return Reason(error.strerror or str(error), "Check host and port.")
    return Reason(os.strerror(code), _CONNECTIONS.get(code, "Check host and port.").format(port=port))


def _code(error: OSError) -> int | None:
    """Return the number of an error; the loop puts those of several addresses together as text."""
    if error.errno:
        return error.errno if error.errno > 0 else None
    codes = set(re.findall(r"\[Errno (\d+)\]", str(error)))
    return int(codes.pop()) if len(codes) == 1 else None


def no_connection_within(timeout_s: float) -> Reason:
    """Say that a connection took too long."""
    return Reason(f"no connection within {timeout_s:g} s", _CONNECTIONS[errno.ETIMEDOUT])


def abortion(source: int, reason: int) -> str:
    """Say why an association was aborted."""
    if source == 0:
        return "by its user, no reason given"
    return _ABORTS.get((source, reason), f"source {source}, reason {reason}")


def context_result(result: int) -> str:
    """Say why a presentation context was refused."""
    return _CONTEXTS.get(result, f"result {result}")


def status(code: int, service: Service | None = None) -> Reason:
    """Say what a status of failure means."""
    advice = "Free room at the peer, or try again later." if code in NO_RESOURCES else _STATUSES.get(code, _LOG)
    if service is Service.PRINT:
        advice = _PRINTING.get(code, advice)
    return Reason(f"0x{code:04X}: {describe(code, service)}", advice)
