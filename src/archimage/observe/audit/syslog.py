"""Audit messages as syslog messages, framed for a stream.

    MSG-LEN SP <PRI>1 SP TIMESTAMP SP HOSTNAME SP APP-NAME SP PROCID SP MSGID SP - SP BOM XML

MSG-LEN counts the octets after the space that follows it.

Ref: RFC 5424 §6, RFC 5425 §4.3 (framing), PS3.15 §A.6: facility 10, MSGID DICOM+RFC3881.
"""

import re
from typing import Final

_FACILITY: Final = 10  # security and authorization
_WARNING, _NOTICE = 4, 5
_MSGID: Final = "DICOM+RFC3881"
_SUCCESS: Final = b' EventOutcomeIndicator="0"'
_NOT_PRINTABLE: Final = re.compile(r"[^!-~]")


def frame(xml: bytes, time: str, host: str, process: str) -> bytes:
    """Return the frame of a message that was written at a time, by a process of an archive on host."""
    severity = _NOTICE if _SUCCESS in xml.partition(b"</EventIdentification>")[0] else _WARNING
    head = f"<{_FACILITY * 8 + severity}>1 {time} {_name(host, 255)} archimage {_name(process, 128)} {_MSGID} - \ufeff"
    message = head.encode("utf-8") + xml
    return b"%d %b" % (len(message), message)


def _name(text: str, most: int) -> str:
    """Return what a header's field may hold; a hyphen for nothing."""
    return _NOT_PRINTABLE.sub("_", text)[:most] or "-"
