"""What a sender of HL7 messages may cost."""

from typing import Final

from archimage.concurrency.entry import Entry
from archimage.hl7 import client, framing, parsing, results
from archimage.services import inbox

_REJECTED: Final = "The message is answered AR with the reason, and not kept; the connection goes on."
_CLOSED: Final = "The message is answered AR with the reason, and the connection closed."

MESSAGES: Final = (
    Entry(
        "HL7",
        "threads",
        "keeps messages and applies them, as many together as wait",
        "Messages wait for their acknowledgement.",
        1,
    ),
    Entry(
        "HL7 messages",
        "queue",
        "messages that wait for it: at most one of each connection",
        "Each connection is read further once its message is answered.",
        setting="hl7.max_connections",
    ),
    Entry(
        "HL7 group",
        "limit",
        "messages that are kept with one flush",
        "Further ones are of the next group.",
        inbox.GROUP,
        harmless=True,
    ),
    Entry(
        "HL7 connections",
        "limit",
        "open connections of senders",
        "The one that has been silent longest is closed, and the new one is let in.",
        setting="hl7.max_connections",
    ),
    Entry("HL7 message", "limit", "length of a message", _REJECTED, setting="hl7.max_message_bytes", unit="bytes"),
    Entry(
        "HL7 message that does not end",
        "limit",
        "how many times as long as a message may be what is thrown away is",
        _CLOSED,
        framing.MAX_SKIPPED,
    ),
    Entry(
        "separators of an HL7 message",
        "limit",
        "separators of fields, components and the like",
        "The message is kept, and answered AR.",
        parsing.MAX_SEPARATORS,
    ),
    Entry(
        "time of an HL7 message",
        "limit",
        "time from its first byte to its last",
        _CLOSED,
        setting="hl7.message_timeout_s",
        unit="seconds",
    ),
    Entry(
        "silence of an HL7 connection",
        "limit",
        "time between messages",
        "The connection is closed.",
        setting="hl7.idle_timeout_s",
        unit="seconds",
    ),
    Entry(
        "text of a report",
        "limit",
        "characters of a report that are kept",
        "What comes after is left out; the message has it.",
        results.MAX_TEXT,
    ),
    Entry(
        "answer of an HL7 receiver",
        "limit",
        "length of what a receiver may answer",
        "The delivery is tried again later.",
        client.MAX_ANSWER,
        unit="bytes",
    ),
)
