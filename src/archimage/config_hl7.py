"""The settings of HL7 messages: `hl7` of `config`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from archimage.config_kinds import PROXY_FROM, Count, Host, ListenPort, Names, Networks, Seconds, Section

ForwardedKind = Literal["ORM", "OMI", "OMG", "ORU"]


def _check_receivers(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        host, _, port = name.rpartition(":")
        if not (host and port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
            raise ValueError(f"{name!r} is no `host:port`")
    return names


Receivers = Annotated[Names, AfterValidator(_check_receivers)]


class Hl7Config(Section):
    """HL7 v2 messages over MLLP (docs/hl7.md)."""

    enabled: bool = Field(default=False, description="Listen for HL7 messages.")
    host: Host = Field(default="127.0.0.1", description="Address to listen on.")
    port: ListenPort = Field(default=2575, description="TCP port; 0 takes a free one.")
    tls: bool = Field(default=False, description="Speak MLLP over TLS, with `tls.certificate`, and nothing else.")
    client_certificates: Literal["none", "optional", "required"] = Field(
        default="none",
        description="Certificates of senders: `required`, `optional` (checked if sent), or `none`.",
    )
    proxy_from: Networks = PROXY_FROM
    application: str = Field(
        default="ARCHIMAGE", max_length=64, description="Name under which this archive answers and sends (MSH-3)."
    )
    facility: str = Field(default="", max_length=64, description="Its facility (MSH-4).")
    allowed_addresses: Networks = Field(
        default=(), description="Addresses and networks that messages are taken from; empty: any."
    )
    allowed_senders: Names = Field(
        default=(), description="Senders that messages are taken from, `APPLICATION|FACILITY`; empty: any."
    )
    character_set: str = Field(
        default="UNICODE UTF-8", description="Encoding of messages that tell none, as MSH-18 names it."
    )
    issuer: str = Field(
        default="",
        max_length=64,
        description="Assigning authority whose patients came in objects without an issuer; empty: any.",
    )
    max_message_bytes: int = Field(
        default=1024 * 1024, ge=1_024, le=16 * 1024 * 1024, description="Longest message, bytes; a longer is refused."
    )
    max_connections: Count = Field(
        default=64, description="Connections at once; for one more, that which was silent longest is closed."
    )
    message_timeout_s: Seconds = Field(default=30.0, description="Time for a message, first to last byte, seconds.")
    idle_timeout_s: Seconds = Field(default=3_600.0, description="Time a connection may stay silent, seconds.")
    keep_days: Count = Field(
        default=30, description="Days that messages are kept after they were applied; those that failed stay."
    )
    forward: Receivers = Field(
        default=(), description="Receivers, `host:port`, that orders and results are handed on to; empty: none."
    )
    forward_kinds: Annotated[tuple[ForwardedKind, ...], Field()] = Field(
        default=("ORU",), description="Which of `ORM`, `OMI`, `OMG`, `ORU` these are."
    )
    forward_tls: bool = Field(default=False, description="Call them with TLS; a certificate must name its host.")
