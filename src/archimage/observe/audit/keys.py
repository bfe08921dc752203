"""The key that signs the heads of the audit journals: made with the first one, and for nobody but the archive to read.

Who can read it can sign what he likes; so the public key, and what it has signed, belong on another machine too.
"""

import os
import secrets
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from archimage.errors import ConfigError

NAME: Final = "signing.key"
_FINGERPRINT_BYTES: Final = 12


def take_key(directory: Path) -> Ed25519PrivateKey:
    """Read the key of a directory of journals, or make it where there is no journal yet.

    Raises:
        ConfigError: it cannot be read, or it is gone.
    """
    path = directory / NAME
    if not path.exists():
        if any(directory.glob("*/*.audit")):
            raise ConfigError(
                f"the audit journals in {directory} were signed with a key that is gone: put {NAME} back from a "
                "backup, or move the journals away, which begins new ones"
            )
        _make(path)
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"the key of the audit journals, {path}, cannot be read: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path} is no Ed25519 key")
    return key


def read_public(path: Path) -> Ed25519PublicKey:
    """Read a public key, or the public half of a private one, as PEM.

    Raises:
        ConfigError: there is none.
    """
    try:
        data = path.read_bytes()
        private = b"PRIVATE KEY" in data
        key = load_pem_private_key(data, None).public_key() if private else load_pem_public_key(data)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"no public key can be read from {path}: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{path} holds no Ed25519 key")
    return key


def public_pem(key: Ed25519PublicKey) -> bytes:
    """Return a key to be kept on another machine."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return what heads name their key by."""
    return b64encode(sha256(key.public_bytes_raw()).digest()[:_FINGERPRINT_BYTES]).decode("ascii")


def _make(path: Path) -> None:
    """Make a key, unless another process is first."""
    data = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    temporary = path.with_name(f"{NAME}.{secrets.token_hex(8)}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
    finally:
        temporary.unlink()
