"""Who signs and who is trusted: keys and certificates in PEM files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from archimage.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Signer:
    """A key, and the certificate that says whose it is."""

    key: RSAPrivateKey
    certificate: x509.Certificate

    @classmethod
    def read(cls, key: Path, certificate: Path) -> "Signer":
        """Read the two; ConfigError where they cannot be used together."""
        found = cls(_read_key(key), read_certificates(certificate)[0])
        if found.key.public_key() != found.certificate.public_key():
            raise ConfigError(f"{certificate} is not the certificate of the key in {key}")
        return found


def read_certificates(file: Path) -> Sequence[x509.Certificate]:
    """Read the certificates of a file, at least one; ConfigError where it has none."""
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: {error}; give a PEM file of certificates") from error


def _read_key(file: Path) -> RSAPrivateKey:
    try:
        found = load_pem_private_key(file.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{file}: {error}; give a PEM file of an RSA key without a password") from error
    if not isinstance(found, RSAPrivateKey):
        raise ConfigError(f"{file} holds a key that is not RSA, and no other is in the profiles of the standard")
    return found
