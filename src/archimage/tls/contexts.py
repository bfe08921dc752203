"""Contexts of TLS as the settings want them.

Ref: PS3.15 §B.12 (BCP 195: RFC 8996, 9325), §B.13 (the stricter variant).
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, get_args

from archimage.config import Config
from archimage.config_trust import TlsConfig, TlsProfile
from archimage.errors import ConfigError, UnavailableError
from archimage.tls.certificates import days_left, valid_until

Door = Literal["dicom", "http", "hl7"]
DOORS: Final[tuple[Door, ...]] = get_args(Door)
SUITES: Final[Mapping[TlsProfile, str]] = MappingProxyType(
    {
        "bcp195": "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20",
        "modified-bcp195": "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AESCCM",
    }
)
"""Suites of TLS 1.2, as OpenSSL writes them: authenticated encryption with forward secrecy only (RFC 9325 §4.2)."""
_DEMANDS: Final = MappingProxyType(
    {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
)


class Contexts:
    """The contexts of a process; those that are asked for later are made anew with other settings."""

    def __init__(self, config: Config) -> None:
        """Make them; raises ConfigError where a file cannot be used, as `configure` does."""
        self._acceptors: dict[Door, ssl.SSLContext] = {}
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Go on with other settings or files; if these cannot be used, with those before."""
        acceptors: dict[Door, ssl.SSLContext] = {}
        if config.tls.certificate:
            acceptors = {door: acceptor(config, door) for door in DOORS}
        elif self._acceptors:
            raise ConfigError("tls.certificate is empty: ports with TLS are open; to close them, restart")
        self._acceptors = acceptors
        self._requestor: ssl.SSLContext | None = None
        self._config = config

    def check(self) -> Mapping[str, int]:
        """Return for how many days our certificate holds; UnavailableError once it does not."""
        days = days_left(valid_until(file_of(self._config, self._config.tls.certificate)))
        if days < 0:
            raise UnavailableError("our certificate has expired: peers that check it will not connect with TLS")
        return {"days": days}

    def acceptor(self, door: Door) -> ssl.SSLContext:
        """Return the context of a listener; only where there is a certificate."""
        return self._acceptors[door]

    def requestor(self) -> ssl.SSLContext:
        """Return the context of calls to other nodes; raises ConfigError where a file cannot be used."""
        if self._requestor is None:
            self._requestor = requestor(self._config)
        return self._requestor


def acceptor(config: Config, door: Door) -> ssl.SSLContext:
    """Return the context of a listener.

    Raises:
        ConfigError: a file cannot be used; the message names the setting.
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER, config.tls)
    _load_certificate(context, config)
    demanded = {
        "dicom": config.dicom.client_certificates,
        "http": config.http.client_certificates,
        "hl7": config.hl7.client_certificates,
    }[door]
    if demanded != "none":
        if not config.tls.authorities:
            raise ConfigError(
                f"{door}.client_certificates = {demanded}: tls.authorities names nobody who may "
                "have issued them; set it, or none"
            )
        _load_authorities(context, config)
    context.verify_mode = _DEMANDS[demanded]
    return context


def requestor(config: Config) -> ssl.SSLContext:
    """Return the context of calls to other nodes: without tls.authorities those of the system are trusted.

    Raises:
        ConfigError: a file cannot be used; the message names the setting.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT, config.tls)
    if config.tls.authorities:
        _load_authorities(context, config)
    else:
        context.load_default_certs()
    if config.tls.certificate:
        _load_certificate(context, config)
    return context


def _context(protocol: "ssl._SSLMethod", settings: TlsConfig) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers(SUITES[settings.profile])
    return context


def _load_certificate(context: ssl.SSLContext, config: Config) -> None:
    certificate, key = (file_of(config, name) for name in (config.tls.certificate, config.tls.key))
    try:
        context.load_cert_chain(certificate, key, password="")  # an encrypted key would have OpenSSL ask a terminal
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"tls.certificate = {certificate}, tls.key = {key}: {_why(error)}; give PEM files of a certificate, "
            "followed by those of its issuers, and of its key without a password"
        ) from error


def _load_authorities(context: ssl.SSLContext, config: Config) -> None:
    for setting, name in (("tls.authorities", config.tls.authorities), ("tls.revoked", config.tls.revoked)):
        if not name:
            continue
        file = file_of(config, name)
        try:
            context.load_verify_locations(file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"{setting} = {file}: {_why(error)}; give a PEM file") from error
    if config.tls.revoked:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def file_of(config: Config, name: str) -> Path:
    """Return the file that a setting names; a relative path is one in the data directory."""
    return config.storage.directory / name


def _why(error: OSError) -> str:
    reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
    return (reason or str(error)).replace("_", " ").lower()
