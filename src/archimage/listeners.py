"""The ports of a process: bound before anything is served, and told once all are listened on."""

import ipaddress
import socket
from contextlib import ExitStack
from dataclasses import dataclass

from archimage.config import Config
from archimage.errors import ConfigError
from archimage.net.server import bind
from archimage.services.status import Ports

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a process listens; None for a port that it has not."""

    dicom: Address | None
    dicom_tls: Address | None
    http: Address
    hl7: Address | None = None

    @property
    def ports(self) -> Ports:
        """The ports alone, 0 for one that it has not."""
        others = (self.dicom, self.dicom_tls, self.hl7)
        dicom, dicom_tls, hl7 = (0 if address is None else address[1] for address in others)
        return Ports(dicom, dicom_tls, self.http[1], hl7)


@dataclass(frozen=True, slots=True)
class Listeners:
    """Bound sockets."""

    dicom: socket.socket | None
    dicom_tls: socket.socket | None
    http: socket.socket
    hl7: socket.socket | None = None

    @property
    def addresses(self) -> Addresses:
        """Where they are bound."""
        dicom, dicom_tls, hl7 = map(_address, (self.dicom, self.dicom_tls, self.hl7))
        return Addresses(dicom, dicom_tls, self.http.getsockname()[:2], hl7)

    def close(self) -> None:
        """Let go of the ports."""
        for listener in (self.dicom, self.dicom_tls, self.http, self.hl7):
            if listener is not None:
                listener.close()


def _address(listener: socket.socket | None) -> Address | None:
    return None if listener is None else listener.getsockname()[:2]


def bind_all(config: Config, *, shared: bool) -> Listeners:
    """Bind every port that the settings name, or none; shared lets other processes bind the same.

    Raises:
        ConfigError: one cannot be had.
    """
    dicom, http, hl7 = config.dicom, config.http, config.hl7
    with ExitStack() as bound:

        def take(setting: str, host: str, port: int) -> socket.socket:
            return bound.enter_context(_bind(setting, host, port, shared=shared))

        listeners = Listeners(
            take("dicom.port", dicom.host, dicom.port) if dicom.plain else None,
            take("dicom.tls_port", dicom.host, dicom.tls_port) if config.tls.certificate else None,
            take("http.port", http.host, http.port),
            take("hl7.port", hl7.host, hl7.port) if hl7.enabled else None,
        )
        bound.pop_all()
        return listeners


def _bind(setting: str, host: str, port: int, *, shared: bool) -> socket.socket:
    try:
        return bind(host, port, shared=shared)
    except OSError as error:
        raise ConfigError(
            f"{setting} = {port}: cannot listen on {host}:{port}: {error.strerror}; choose another port, or 0"
        ) from error


def check_closed(config: Config, *, has_users: bool) -> None:
    """Refuse to listen where others than this machine reach what nobody has to log in to.

    Raises:
        ConfigError: there are no users, and an address is not one of loopback.
    """
    hosts = {"dicom.host": config.dicom.host, "http.host": config.http.host}
    if config.hl7.enabled:
        hosts["hl7.host"] = config.hl7.host
    for setting, host in hosts.items():
        if not has_users and not is_loopback(host):
            raise ConfigError(
                f"{setting} = {host}: others than this machine would reach an archive that has no users",
                next_step="Make one: archimage user add NAME --role administrator --data "
                f"{config.storage.directory}; or listen on 127.0.0.1 (docs/security.md).",
            )


def is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
