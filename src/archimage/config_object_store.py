"""The settings of object stores: `object_store` and `tiers` of `config`."""

from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, StringConstraints, model_validator

from archimage.config_kinds import Seconds, Section

_MIB: Final = 1024 * 1024
SCHEMES: Final = {"s3": "S3", "az": "Azure Blob Storage", "gs": "Google Cloud Storage", "memory": "memory"}


class ObjectStoreConfig(Section):
    """An object store that keeps the objects (docs/object-stores.md)."""

    url: str = Field(
        default="",
        description="Bucket or container, and what keys begin with: `s3://bucket/prefix`, `az://container/prefix`, "
        "`gs://bucket/prefix`; empty: objects stay files.",
    )
    endpoint: str = Field(
        default="",
        pattern=r"^(https?://[^/?#\s@]+(/[^?#\s@]*)?)?$",
        description="Address of a store that is not the provider's (`http://127.0.0.1:8333`); empty: theirs.",
    )
    region: str = Field(default="", description="Region of the bucket, for S3; empty: `us-east-1`.")
    key_id: str = Field(
        default="",
        description="Access key of S3, or account name of Azure; empty: what the environment or the machine is given.",
    )
    secret: SecretStr = Field(
        default=SecretStr(""),
        description="Secret key of S3, account key of Azure, or the service account's key of Google as JSON.",
    )
    encryption: Literal["", "AES256", "aws:kms", "aws:kms:dsse"] = Field(
        default="", description="Encryption that S3 is asked for with every object; empty: what the bucket does."
    )
    encryption_key: str = Field(default="", description="Key that `aws:kms` encrypts with; empty: the account's own.")
    mode: Literal["write-back", "write-through"] = Field(
        default="write-back",
        description="When an object is acknowledged: once it is safe on the local disk, from where it is uploaded; or "
        "once the object store has it.",
    )
    multipart_threshold_bytes: int = Field(
        default=8 * _MIB, ge=_MIB, description="Objects larger than this are uploaded in parts, bytes."
    )
    part_bytes: int = Field(default=8 * _MIB, ge=5 * _MIB, le=1024 * _MIB, description="Size of a part, bytes.")
    uploads: int = Field(default=8, ge=1, le=64, description="Objects, or parts of one, that are uploaded at once.")
    timeout_s: Seconds = Field(
        default=3.0,
        le=4.0,
        description="Time for whatever somebody waits for, all tries together, seconds: who waits has 5 s.",
    )
    upload_timeout_s: Seconds = Field(
        default=8.0,
        description="Time for an upload, or of a part, that nobody waits for, seconds; where the line is too slow for "
        "that it is doubled, up to 64 times.",
    )
    retries: int = Field(
        default=3, ge=0, le=20, description="Tries after the first, with growing pauses that chance makes uneven."
    )
    cache_bytes: int = Field(
        default=10 * 1024 * _MIB, ge=0, description="Room for local copies of what the object store has, bytes."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> "ObjectStoreConfig":
        if not self.url:
            return self
        parts = urlsplit(self.url)
        if parts.scheme not in SCHEMES or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("object_store.url begins with s3://, az:// or gs://, and names a bucket or container")
        if not parts.netloc and parts.scheme != "memory":
            raise ValueError("object_store.url names no bucket: s3://bucket or s3://bucket/prefix")
        if self.encryption and parts.scheme != "s3":
            raise ValueError("object_store.encryption is for S3: the others always encrypt")
        if self.encryption_key and not self.encryption.startswith("aws:kms"):
            raise ValueError('object_store.encryption_key needs encryption = "aws:kms"')
        return self

    @property
    def scheme(self) -> str:
        """The kind of store: a key of SCHEMES, empty without one."""
        return urlsplit(self.url).scheme

    @property
    def bucket(self) -> str:
        """The bucket or container."""
        return urlsplit(self.url).netloc

    @property
    def prefix(self) -> str:
        """What every key begins with, without slashes around it."""
        return urlsplit(self.url).path.strip("/")


HOT: Final = "hot"
"""What the place is called where objects come in."""
TierName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,15}$")]


class TierConfig(ObjectStoreConfig):
    """A place that studies are moved to (docs/tiers.md): a directory, or an object store."""

    directory: str = Field(
        default="", description="Directory of another file system; or there is a `url`, of an object store."
    )
    mode: Literal["write-through"] = Field(
        default="write-through", description="What is moved is moved once the object store has it."
    )
    cache_bytes: int = Field(
        default=1024 * _MIB, ge=0, description="Room for local copies of what was read of the object store, bytes."
    )

    @model_validator(mode="after")
    def _is_one_place(self) -> "TierConfig":
        if bool(self.directory) == bool(self.url):
            raise ValueError("a tier has either a directory or a url")
        if self.directory and not Path(self.directory).is_absolute():
            raise ValueError("the directory of a tier is an absolute path")
        return self
