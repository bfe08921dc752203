"""Authorities and certificates for tests: what is right, and one of each kind of wrong."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from archimage.tls import authority
from archimage.tls.authority import Issued

NAMES: Final = ("localhost", "127.0.0.1")


@dataclass(frozen=True)
class Keys:
    """A directory of certificates and keys; each is `NAME.pem` and `NAME.key`."""

    directory: Path

    def certificate(self, name: str) -> Path:
        return self.directory / f"{name}.pem"

    def key(self, name: str) -> Path:
        return self.directory / f"{name}.key"

    def settings(self, **more: object) -> dict[str, str]:
        """Return what a server with TLS is set by, in the names of the environment."""
        given = {
            "dicom__tls_port": 0,
            "tls__certificate": self.certificate("server"),
            "tls__key": self.key("server"),
            "tls__authorities": self.certificate("authority"),
            "tls__revoked": self.certificate("revocations"),
            **more,
        }
        return {name: str(value) for name, value in given.items()}

    def client(self, name: str = "", *, trusting: str = "authority") -> ssl.SSLContext:
        """Return the context of a client, with a certificate if one is named."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.certificate(trusting))
        if name:
            context.load_cert_chain(self.certificate(name), self.key(name))
        return context

    def blind(self) -> ssl.SSLContext:
        """Return the context of a client that checks nothing."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context


def make_keys(directory: Path) -> Keys:
    """Make all of them."""
    keys = Keys(directory)
    ours, theirs = authority.make_authority("archimage tests"), authority.make_authority("somebody else")
    made: dict[str, Issued] = {
        "authority": ours,
        "other-authority": theirs,
        "server": authority.issue(ours, NAMES),
        "CT1": authority.issue(ours, ["ct1.example"]),
        "MR1": authority.issue(ours, ["mr1.example"]),
        "expired": authority.issue(ours, [*NAMES], days=-1),
        "revoked": authority.issue(ours, ["revoked.example"]),
        "foreign": authority.issue(theirs, ["ct1.example"]),
        "server-only": authority.issue(ours, ["ct1.example"], usages=[ExtendedKeyUsageOID.SERVER_AUTH]),
        "elsewhere": authority.issue(ours, ["elsewhere.example"]),
    }
    for name, issued in made.items():
        issued.write(keys.certificate(name), keys.key(name))
    before = authority.revocations(ours, [])
    keys.certificate("nothing-revoked").write_bytes(before)
    revoked = made["revoked"].certificate.public_bytes(Encoding.PEM)
    keys.certificate("revocations").write_bytes(authority.revoke(ours, before, revoked))
    return keys
