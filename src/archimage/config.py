"""Every setting of archimage, with its default and its meaning: one frozen Config; `settings` reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import (
    BaseModel,
    Field,
    PrivateAttr,
    SecretStr,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from archimage.config_access import AccessConfig
from archimage.config_commitment import CommitmentConfig
from archimage.config_export import ExportConfig
from archimage.config_fhir import FhirConfig
from archimage.config_hl7 import Hl7Config
from archimage.config_index import IndexConfig
from archimage.config_kinds import (
    PROXY_FROM,
    AETitle,
    AETitles,
    Count,
    Host,
    ListenPort,
    Modality,
    Names,
    Networks,
    Seconds,
    Section,
)
from archimage.config_mpps import AvailabilityConfig, MppsConfig
from archimage.config_object_store import HOT, ObjectStoreConfig, TierConfig, TierName
from archimage.config_observing import LogConfig, NodeNameConfig, TracingConfig
from archimage.config_plugins import PluginsConfig
from archimage.config_print import PrintConfig
from archimage.config_retention import RetentionConfig
from archimage.config_routing import PrefetchConfig, RoutingConfig, SyncConfig
from archimage.config_scrub import ScrubConfig
from archimage.config_trust import AuditConfig, DeidentificationConfig, SignaturesConfig, TlsConfig
from archimage.config_ups import UpsConfig
from archimage.config_worklist import WorklistConfig

ENVIRONMENT_PREFIX: Final = "ARCHIMAGE__"
LOOPBACK: Final = "127.0.0.1"

SourceKind = Literal["default", "file", "environment", "variable-file", "flag"]
Key = tuple[str, ...]
"""What a setting is found by: its section, its key, and in tables the keys below."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a setting came from; name is that of the file, the variable or the flag, empty for the default."""

    kind: SourceKind
    name: str = ""


DEFAULT: Final = Source("default")


Compression = Literal[
    "htj2k-lossless",
    "jpeg-ls-lossless",
    "jpeg-2000-lossless",
    "jpeg-lossless",
    "rle-lossless",
    "jpeg-xl-lossless",
    "none",
]


ClientCertificates = Literal["none", "optional", "required"]


class DicomConfig(Section):
    """The DICOM listener and what it lets in."""

    host: Host = Field(default=LOOPBACK, description="Address to listen on.")
    port: ListenPort = Field(default=11112, description="TCP port; 0 takes a free one.")
    plain: bool = Field(default=True, description="Listen on `dicom.port`, without TLS; false leaves the other port.")
    tls_port: ListenPort = Field(
        default=2762, description="TCP port with TLS, where `tls.certificate` is set; 0 takes a free one."
    )
    client_certificates: ClientCertificates = Field(
        default="none",
        description="Certificates of peers: `required`, `optional` (checked if sent), or `none`.",
    )
    proxy_from: Networks = PROXY_FROM
    ae_title: AETitle = Field(default="PACS_SCP", description="AE title of this archive.")
    accepted_called_ae_titles: AETitles = Field(
        default=(), description="AE titles that peers may call; empty: `dicom.ae_title` alone."
    )
    any_called_ae_title: bool = Field(default=False, description="Let peers call any AE title.")
    allowed_calling_ae_titles: AETitles = Field(default=(), description="AE titles that may call; empty: any.")
    accept_unknown_sop_classes: bool = Field(
        default=False, description="Store objects of SOP classes that are not in the standard's list."
    )
    max_pdu_length: int = Field(
        default=131_072, ge=4_096, le=16_777_216, description="Largest P-DATA-TF that peers may send, bytes."
    )
    artim_timeout_s: Seconds = Field(
        default=30.0, description="Time for a whole association request, and for a peer to close, seconds."
    )
    idle_timeout_s: Seconds = Field(default=60.0, description="Time an association may stay silent, seconds.")
    max_associations: Count = Field(default=256, description="Associations at once; more are rejected.")
    max_associations_per_ae: int = Field(
        default=0, ge=0, description="Associations at once of one calling AE title; 0: no cap of its own."
    )
    max_pending_connections: Count = Field(
        default=64, description="Connections that have not asked for an association yet."
    )
    max_pending_per_address: Count = Field(default=16, description="The same, of one address.")
    max_operations: Count = Field(
        default=8, description="Operations that a peer may have outstanding on one association, when it asks for that."
    )
    large_move: Count = Field(
        default=1_000,
        description="Objects from which on a C-MOVE is kept as a job: all of it is sent though the archive dies.",
    )
    workers: int = Field(default=1, ge=1, le=256, description="Equal processes that share the port.")
    grace_s: float = Field(
        default=0.1,
        ge=0,
        le=600,
        description="Time that running C-STOREs and web requests have to end when the archive is stopped, seconds.",
    )


class HttpConfig(Section):
    """The HTTP listener and what it lets in."""

    host: Host = Field(default=LOOPBACK, description="Address to listen on.")
    port: ListenPort = Field(default=8042, description="TCP port; 0 takes a free one.")
    tls: bool = Field(default=False, description="Speak HTTPS, with `tls.certificate`, and no HTTP.")
    client_certificates: ClientCertificates = Field(
        default="none",
        description="Certificates of clients: `required`, `optional` (checked if sent), or `none`.",
    )
    proxy_from: Networks = PROXY_FROM
    public_url: str = Field(
        default="",
        pattern=r"^(https?://[^/?#\s]+)?$",
        description="Address under which clients see the server, behind a proxy; empty: that of each request.",
    )
    allowed_hosts: Names = Field(
        default=(),
        description="Names that clients may call the server by, beside its addresses and `localhost`; `*`: any.",
    )
    cors_origins: Names = Field(
        default=(),
        description="Origins (`https://viewer.example`) whose pages may use DICOMweb from a browser; `*`: any.",
    )
    viewer_directory: Path = Field(
        default=Path("viewer"),
        description="Where the full viewer, OHIF, is installed; a relative path is one in the data directory.",
    )
    request_timeout_s: Seconds = Field(
        default=30.0, description="Time for the head of a request, and for every 16 KiB of its body, seconds."
    )
    metrics: bool = Field(
        default=True, description="Count what happens, and tell Prometheus at `/metrics` (docs/metrics.md)."
    )
    orthanc_api: bool = Field(default=True, description="Serve a part of Orthanc's REST interface (docs/orthanc.md).")
    send_timeout_s: Seconds = Field(default=60.0, description="Time a client may leave an answer unread, seconds.")
    max_connections: Count = Field(default=1_024, description="Connections at once; more are answered 503.")


class StorageConfig(Section):
    """Where and how objects are kept."""

    directory: Path = Field(default=Path("data"), description="Directory of everything that the archive keeps.")
    layout: Literal["uid", "date"] = Field(
        default="uid", description="`uid`: Study/Series/SOP.dcm; `date`: YYYY/MM/DD/SOP.dcm, by study date."
    )
    durability: Literal["full", "os"] = Field(
        default="full",
        description="`full`: what was acknowledged survives a power cut; `os`: it survives a crash of archimage only.",
    )
    direct_io: bool = Field(
        default=True,
        description="Write large objects around the page cache, where the file system can: it costs half the processor "
        "time and leaves the cache to what is read. Turn it off if images are mostly read soon after they came, "
        "from a slow disk.",
    )
    duplicates: Literal["reject", "replace"] = Field(
        default="reject", description="What happens to a different object under a UID that is already kept."
    )
    journal_limit_bytes: int = Field(
        default=64 * 1024,
        ge=0,
        description="Objects up to this size are flushed together, by the journal, larger ones one by one; bytes.",
    )
    journal_segment_bytes: int = Field(
        default=32 * 1024 * 1024, ge=4 * 1024 * 1024, description="Size of a journal segment, bytes."
    )
    reserve_bytes: int = Field(
        default=256 * 1024 * 1024,
        ge=0,
        description="Room on the disk that is kept free: with less, objects are refused, so that neither index nor "
        "journal meets a full disk; bytes.",
    )
    quota_bytes: int = Field(
        default=0,
        ge=0,
        description="What the archive may keep: once it does, objects are refused until something is deleted; bytes, "
        "0: as much as the disk holds.",
    )
    quota_warn_percent: int = Field(
        default=90,
        ge=1,
        le=100,
        description="Part of the quota from which on the log warns, and rules with `when_full` make room; percent.",
    )
    metadata_cache_bytes: int = Field(
        default=1024 * 1024 * 1024, ge=0, description="Room for the compressed metadata of series, bytes."
    )
    compress: Mapping[Modality, Compression] = Field(
        default={}, description="Modality to the lossless compression of its images; `*`: all others."
    )

    @model_validator(mode="after")
    def _segment_holds_an_object(self) -> "StorageConfig":
        if self.journal_segment_bytes < 4 * self.journal_limit_bytes:
            raise ValueError("storage.journal_segment_bytes must be at least four times storage.journal_limit_bytes")
        return self


class QueryConfig(Section):
    """Limits of queries."""

    max_results: Count = Field(default=100_000, description="Matches that one query may return.")


class PixelsConfig(Section):
    """Worker processes that decode, encode and render."""

    workers: int = Field(default=0, ge=0, le=256, description="Worker processes; 0: as many as there are cores.")
    timeout_s: Seconds = Field(
        default=30.0, description="Time a worker may take for the largest frame, seconds; small ones have less."
    )
    memory_bytes: int = Field(
        default=2 * 1024 * 1024 * 1024, ge=512 * 1024 * 1024, description="Address space of one worker, bytes."
    )
    cache_bytes: int = Field(
        default=1024 * 1024 * 1024, ge=0, description="Room for objects in other transfer syntaxes, bytes."
    )


class NodeConfig(Section):
    """A peer that this archive may call, beside those entered under `/api/v1/nodes`."""

    host: Host = Field(description="Address of the node.")
    port: int = Field(ge=1, le=65535, description="Its TCP port.")
    tls: bool = Field(default=False, description="Call it with TLS; its certificate must name `host`.")
    deidentify: str = Field(
        default="", description="Project for which all that is sent there is de-identified (docs/deidentification.md)."
    )
    deidentify_options: Names = Field(
        default=(), description="Options of the profile that are asked for then, by name."
    )
    user: str = Field(default="", description="User to call it as (DICOM user identity); empty: none.")
    passcode: SecretStr = Field(default=SecretStr(""), description="Passcode of that user; only with TLS.")

    @model_validator(mode="after")
    def _passcode_is_sent_with_tls(self) -> "NodeConfig":
        if self.passcode.get_secret_value() and not (self.user and self.tls):
            raise ValueError("a passcode needs a user, whose it is, and tls = true: it is not sent in the clear")
        return self


_ADMISSION: Final = (
    "accepted_called_ae_titles",
    "any_called_ae_title",
    "allowed_calling_ae_titles",
    "max_associations",
    "max_associations_per_ae",
    "max_pending_connections",
    "max_pending_per_address",
)
RELOADED: Final[frozenset[Key]] = frozenset(
    {
        ("nodes",),
        ("routing", "rule"),
        ("routing", "archives"),
        ("routing", "authorization"),
        ("storage", "quota_bytes"),
        ("storage", "quota_warn_percent"),
        *(("retention", name) for name in RetentionConfig.model_fields),
        ("deidentification", "rules"),
        *(("log", name) for name in LogConfig.model_fields),
        *(("tls", name) for name in TlsConfig.model_fields),
        *(("dicom", name) for name in _ADMISSION),
        ("access", "identity"),
        ("access", "operations_per_s"),
        ("access", "requests_per_s"),
    }
)
"""What SIGHUP has a running archive read again: whom it calls, rules, quota, who may associate, TLS, logging."""


def _is_reloaded(key: Key) -> bool:
    return key[:1] in RELOADED or key[:2] in RELOADED


def _overlap(one: ObjectStoreConfig, other: ObjectStoreConfig) -> bool:
    """Tell whether keys of one object store are among those of another."""
    if one.scheme == "memory" or (one.scheme, one.endpoint, one.bucket) != (other.scheme, other.endpoint, other.bucket):
        return False
    first, second = f"{one.prefix}/".lstrip("/"), f"{other.prefix}/".lstrip("/")
    return first.startswith(second) or second.startswith(first)


class Config(BaseSettings):
    """All settings; made by `settings.load`, or in tests from keyword arguments alone."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__"
    )

    dicom: DicomConfig = DicomConfig()
    http: HttpConfig = HttpConfig()
    storage: StorageConfig = StorageConfig()
    object_store: ObjectStoreConfig = ObjectStoreConfig()
    query: QueryConfig = QueryConfig()
    pixels: PixelsConfig = PixelsConfig()
    log: LogConfig = LogConfig()
    node: NodeNameConfig = NodeNameConfig()
    tls: TlsConfig = TlsConfig()
    tracing: TracingConfig = TracingConfig()
    audit: AuditConfig = AuditConfig()
    signatures: SignaturesConfig = SignaturesConfig()
    access: AccessConfig = AccessConfig()
    commitment: CommitmentConfig = CommitmentConfig()
    fhir: FhirConfig = FhirConfig()
    deidentification: DeidentificationConfig = DeidentificationConfig()
    hl7: Hl7Config = Hl7Config()
    index: IndexConfig = IndexConfig()
    worklist: WorklistConfig = WorklistConfig()
    mpps: MppsConfig = MppsConfig()
    availability: AvailabilityConfig = AvailabilityConfig()
    plugins: PluginsConfig = PluginsConfig()
    print: PrintConfig = PrintConfig()
    ups: UpsConfig = UpsConfig()
    scrub: ScrubConfig = ScrubConfig()
    export: ExportConfig = ExportConfig()
    retention: RetentionConfig = RetentionConfig()
    routing: RoutingConfig = RoutingConfig()
    prefetch: PrefetchConfig = PrefetchConfig()
    sync: SyncConfig = SyncConfig()
    tiers: Mapping[TierName, TierConfig] = Field(
        default={}, description="Name to place of every tier that studies are moved to (docs/tiers.md)."
    )
    nodes: Annotated[Mapping[AETitle, NodeConfig], NoDecode] = Field(
        default={}, description="AE title to address of every node that this archive may call."
    )

    _sources: Mapping[Key, Source] = PrivateAttr(default={})
    _given: "Config | None" = PrivateAttr(default=None)

    def from_sources(self, sources: Mapping[Key, Source]) -> Self:
        """Return the same settings, which tell where each of them came from."""
        copy = self.model_copy()
        copy._sources = sources
        return copy

    def source(self, key: Key) -> Source:
        """Tell where a setting came from."""
        return self._sources.get(key, DEFAULT)

    @property
    def given(self) -> "Config":
        """The settings as they were given, ports that are to be chosen still 0."""
        return self._given or self

    def with_ports(self, dicom: int, dicom_tls: int, http: int, hl7: int = 0) -> Self:
        """Return the settings with the ports that were taken, 0 for one that was not."""
        ports = {"port": dicom or self.dicom.port, "tls_port": dicom_tls or self.dicom.tls_port}
        taken = {
            "dicom": self.dicom.model_copy(update=ports),
            "http": self.http.model_copy(update={"port": http}),
            "hl7": self.hl7.model_copy(update={"port": hl7 or self.hl7.port}),
        }
        copy = self.model_copy(update=taken)
        copy._given = self.given
        return copy

    def with_reloaded(self, read: "Config") -> Self:
        """Return the settings with those of RELOADED as they were read anew."""
        update: dict[str, object] = {}
        for section, *rest in RELOADED:
            if rest:
                part = update.get(section, getattr(self, section))
                value = getattr(getattr(read, section), rest[0])
                update[section] = part.model_copy(update={rest[0]: value})  # type: ignore[attr-defined]
            else:
                update[section] = getattr(read, section)
        copy = self.model_copy(update=update)
        kept = {key: source for key, source in self._sources.items() if not _is_reloaded(key)}
        copy._sources = kept | {key: source for key, source in read._sources.items() if _is_reloaded(key)}
        copy._given = None if self._given is None else self._given.with_reloaded(read)
        return copy

    def waiting(self, read: "Config") -> list[str]:
        """Name the settings that were read anew with another value, and hold from the next start on."""
        return [
            f"{section}.{name}"
            for section, part in self.given
            if isinstance(part, BaseModel)
            for name, value in part
            if not _is_reloaded((section, name)) and value != getattr(getattr(read, section), name)
        ]

    @model_validator(mode="after")
    def _some_port_is_open(self) -> "Config":
        if not self.tls.certificate and (self.http.tls or self.hl7.tls or not self.dicom.plain):
            doors = {"http.tls = true": self.http.tls, "hl7.tls = true": self.hl7.tls}
            setting = next((told for told, is_set in doors.items() if is_set), "dicom.plain = false")
            raise ValueError(f"{setting} needs a certificate: set tls.certificate and tls.key")
        return self

    @model_validator(mode="after")
    def _tiers_are_there(self) -> "Config":
        if HOT in self.tiers:
            raise ValueError(f"tiers.{HOT} is where objects come in: storage and object_store say where that is")
        for name, tier in self.tiers.items():
            if tier.directory and self.storage.directory.absolute() in (
                Path(tier.directory),
                *Path(tier.directory).parents,
            ):
                raise ValueError(f"tiers.{name}.directory lies in storage.directory: a tier is a place of its own")
            if tier.url and self.object_store.url and _overlap(tier, self.object_store):
                raise ValueError(f"tiers.{name}.url and object_store.url share keys: give each a prefix of its own")
        for rule in self.retention.rule:
            if rule.to and rule.to != HOT and rule.to not in self.tiers:
                raise ValueError(f"rule {rule.name!r} moves to {rule.to!r}, and there is no such tier")
        return self

    @property
    def viewer_directory(self) -> Path:
        """Where the full viewer is installed."""
        return self.storage.directory / self.http.viewer_directory

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take arguments only: `load` reads the other sources, so that a Config never depends on hidden state."""
        return (init_settings,)
