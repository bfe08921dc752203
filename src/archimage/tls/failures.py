"""Why a handshake failed, in words for whoever has to mend it."""

import ssl
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "NO_SHARED_CIPHER": "it offers no cipher suite that is allowed here",
        "UNSUPPORTED_PROTOCOL": "it offers no version of TLS that is allowed here, which are 1.2 and 1.3",
        "WRONG_VERSION_NUMBER": "what it sent is not TLS: it may have been meant for the port without TLS",
        "HTTP_REQUEST": "what it sent is HTTP without TLS",
        "HTTPS_PROXY_REQUEST": "what it sent is HTTP without TLS",
        "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it sent no certificate, and one is required",
        "NO_CERTIFICATE_RETURNED": "it sent no certificate, and one is required",
        "UNKNOWN_PROTOCOL": "what it sent is not TLS: it may have been meant for the port without TLS",
        "TLSV1_ALERT_UNKNOWN_CA": "it does not trust who issued our certificate",
        "SSLV3_ALERT_BAD_CERTIFICATE": "it does not accept our certificate",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED": "it finds our certificate expired",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it does not accept our certificate",
        "SSLV3_ALERT_CERTIFICATE_REVOKED": "it finds our certificate revoked",
        "SSLV3_ALERT_HANDSHAKE_FAILURE": "it refuses what we offer: a version, a suite, or a missing certificate",
        "TLSV1_ALERT_PROTOCOL_VERSION": "it speaks no version of TLS that is allowed here, which are 1.2 and 1.3",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it requires a certificate of ours: set tls.certificate and tls.key",
        "EE_KEY_TOO_SMALL": "its key is too small",
        "CA_MD_TOO_WEAK": "its certificate is signed by a method that is too weak",
    }
)
_OUR_OWN: Final = frozenset({"unable to get local issuer certificate", "unable to verify the first certificate"})


def explain(error: BaseException, timeout_s: float = 0.0) -> str:
    """Say why a handshake failed; timeout_s is how long it might take, seconds."""
    if isinstance(error, ssl.SSLCertVerificationError):
        message = error.verify_message.rstrip(".")
        message = message[:1].lower() + message[1:]
        if message in _OUR_OWN:
            message = "none of tls.authorities has issued it"
        return f"its certificate is not accepted: {message}"
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        return _REASONS.get(reason, reason.replace("_", " ").lower() or "it broke the protocol")
    if isinstance(error, TimeoutError) or "handshake is taking longer" in str(error):
        return f"it did not end the handshake within {timeout_s:g} s"
    return "it left in the middle of the handshake: it may not trust our certificate"
