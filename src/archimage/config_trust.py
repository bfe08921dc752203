"""Settings of certificates, signatures, the audit trail and de-identification."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from archimage.config_kinds import AETitle, Section


def _check_file_name(text: str) -> str:
    """Let through what may name a file: what is not even on one line is the file's content, or a key."""
    if "\n" in text or "-----" in text:
        raise ValueError("this is the name of a file, not what is in it")
    return text


FileName = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_check_file_name)]
TlsProfile = Literal["bcp195", "modified-bcp195"]


class TlsConfig(Section):
    """Certificates, and what of TLS is allowed (docs/security.md); a relative path is one in the data directory."""

    certificate: FileName = Field(
        default="",
        description="PEM file of our certificate, followed by those of its issuers; empty: no TLS.",
    )
    key: FileName = Field(default="", description="PEM file of its key, without a password.")
    authorities: FileName = Field(
        default="",
        description="PEM file of who may issue certificates of peers; empty: for calls, the system's.",
    )
    revoked: FileName = Field(default="", description="PEM file of what was revoked (CRLs), a list for each authority.")
    profile: TlsProfile = Field(
        default="bcp195", description="Of PS3.15: `bcp195` (B.12), or `modified-bcp195` (B.13), which allows less."
    )
    peers: Mapping[AETitle, str] = Field(
        default={},
        description="Calling AE title to the certificate that it must come with: a name in it, or `sha256:` and its "
        "fingerprint.",
    )

    @model_validator(mode="after")
    def _certificate_has_a_key(self) -> "TlsConfig":
        if bool(self.certificate) != bool(self.key):
            raise ValueError("tls.certificate and tls.key are set together, or neither is")
        return self


class AuditConfig(Section):
    """The audit trail (docs/audit.md)."""

    required: bool = Field(
        default=False, description="Take, find and give nothing while the audit trail cannot be written."
    )
    repository: str = Field(
        default="",
        pattern=r"^([^\s:\[\]]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}$|^$",
        description="`host:port` of the audit repository, which takes syslog over TLS; empty: none.",
    )
    site: str = Field(default="", max_length=64, description="Name of the hospital, told with every audit message.")
    file_bytes: int = Field(
        default=64 * 1024 * 1024, ge=64 * 1024, description="Size after which a journal begins another file, bytes."
    )


class SignaturesConfig(Section):
    """Digital signatures of objects (docs/signatures.md); a relative path is one in the data directory."""

    authorities: FileName = Field(
        default="", description="PEM file of who is trusted to certify signers; empty: nobody."
    )
    certificate: FileName = Field(
        default="", description="PEM file of the certificate that signs what is exported; empty: nothing is signed."
    )
    key: FileName = Field(default="", description="PEM file of its RSA key, without a password.")

    @model_validator(mode="after")
    def _certificate_has_a_key(self) -> "SignaturesConfig":
        if bool(self.certificate) != bool(self.key):
            raise ValueError("signatures.certificate and signatures.key are set together, or neither is")
        return self


class DeidentificationConfig(Section):
    """De-identification in the archive (docs/deidentification.md)."""

    rules: str = Field(
        default="",
        description="TOML file of regions to blank by device; a relative path is one in the data directory.",
    )
