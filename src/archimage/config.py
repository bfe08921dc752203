"""Every setting of archimage: one frozen Config from defaults < TOML file < environment < command line.

The environment names a setting `ARCHIMAGE__SECTION__KEY`; with `_FILE` appended, the file that holds its value. The
TOML file is the one given, or that of ARCHIMAGE_CONFIG, or `archimage.toml` in the data directory when there is one.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from archimage.errors import ConfigError

ENVIRONMENT_PREFIX: Final = "ARCHIMAGE__"
FILE_VARIABLE: Final = "ARCHIMAGE_CONFIG"
FILE_NAME: Final = "archimage.toml"
LOOPBACK: Final = "127.0.0.1"

Tree = dict[str, Any]


def parse_node(text: str) -> tuple[str, dict[str, str]]:
    """Split `AET=HOST:PORT`; an IPv6 host stands in brackets. Raises ValueError."""
    ae_title, equals, address = text.partition("=")
    host, colon, port = address.rpartition(":")
    if not (ae_title and equals and host and colon and port):
        raise ValueError(f"{text!r} is not AET=HOST:PORT")
    return ae_title.strip(), {"host": host.strip("[]"), "port": port}


def _split(value: object) -> object:
    """Read the environment's `A,B` as a list."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _check_ae_title(text: str) -> str:
    """Let through what PS3.5 §6.2 allows."""
    if not re.fullmatch(r"[ -\[\]-~]{1,16}", text):
        raise ValueError("an AE title is 1 to 16 printable ASCII characters, no backslash")
    return text


AETitle = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_check_ae_title)]
AETitles = Annotated[tuple[AETitle, ...], NoDecode, BeforeValidator(_split)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Host = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
ListenPort = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _check_modality(text: str) -> str:
    """Let through a modality (PS3.3 §C.7.3.1.1.1), in upper case, or the asterisk of all others."""
    if not re.fullmatch(r"\*|[A-Z0-9_ ]{1,16}", text.upper()):
        raise ValueError("a modality is 1 to 16 letters, digits, spaces and underscores; or `*` for all others")
    return text.upper()


Modality = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_check_modality)]
Compression = Literal[
    "htj2k-lossless",
    "jpeg-ls-lossless",
    "jpeg-2000-lossless",
    "jpeg-lossless",
    "rle-lossless",
    "jpeg-xl-lossless",
    "none",
]


class DicomConfig(_Section):
    """The DICOM listener and what it lets in."""

    host: Host = Field(default=LOOPBACK, description="Address to listen on.")
    port: ListenPort = Field(default=11112, description="TCP port; 0 takes a free one.")
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
    workers: int = Field(default=1, ge=1, le=256, description="Equal processes that share the port.")


class HttpConfig(_Section):
    """The HTTP listener and what it lets in."""

    host: Host = Field(default=LOOPBACK, description="Address to listen on.")
    port: ListenPort = Field(default=8042, description="TCP port; 0 takes a free one.")
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
    request_timeout_s: Seconds = Field(
        default=30.0, description="Time for the head of a request, and for every 16 KiB of its body, seconds."
    )
    send_timeout_s: Seconds = Field(default=60.0, description="Time a client may leave an answer unread, seconds.")
    max_connections: Count = Field(default=1_024, description="Connections at once; more are answered 503.")


class StorageConfig(_Section):
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


class QueryConfig(_Section):
    """Limits of queries."""

    max_results: Count = Field(default=100_000, description="Matches that one query may return.")


class PixelsConfig(_Section):
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


class LogConfig(_Section):
    """What is told on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe event that is told."
    )
    format: Literal["text", "json"] = Field(
        default="text", description="`text`: key=value; `json`: one JSON object a line."
    )


class NodeConfig(_Section):
    """A peer that this archive may call, beside those entered under `/api/v1/nodes`."""

    host: Host = Field(description="Address of the node.")
    port: int = Field(ge=1, le=65535, description="Its TCP port.")


class Config(BaseSettings):
    """All settings; made by `load`, or in tests from keyword arguments alone."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__"
    )

    dicom: DicomConfig = DicomConfig()
    http: HttpConfig = HttpConfig()
    storage: StorageConfig = StorageConfig()
    query: QueryConfig = QueryConfig()
    pixels: PixelsConfig = PixelsConfig()
    log: LogConfig = LogConfig()
    nodes: Annotated[Mapping[AETitle, NodeConfig], NoDecode] = Field(
        default={}, description="AE title to address of every node that this archive may call."
    )

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


def load(flags: Tree, environ: Mapping[str, str], file: Path | None = None) -> Config:
    """Make the Config of flags (nested as Config is), environ and the TOML file.

    Raises ConfigError, which names the setting, its value and what is allowed.
    """
    environment = _read_environment(environ)
    upper = _merge(environment, flags)
    tree = _merge(_read_file(_file(upper, environ, file)), upper)
    try:
        return Config(**tree)
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(problem) for problem in error.errors())) from None


def _merge(below: Tree, above: Tree) -> Tree:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = _merge(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged


def _file(upper: Tree, environ: Mapping[str, str], file: Path | None) -> Path | None:
    """Choose the TOML file; one that was asked for must be there, that of the data directory may be."""
    if file is not None:
        return file
    if FILE_VARIABLE in environ:
        return Path(environ[FILE_VARIABLE])
    storage = upper.get("storage", {})
    directory = storage.get("directory") if isinstance(storage, dict) else None
    found = Path(directory or StorageConfig().directory) / FILE_NAME
    return found if found.is_file() else None


def _read_file(path: Path | None) -> Tree:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"The configuration file {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The configuration file {path} is not TOML: {error}") from None


def _read_environment(environ: Mapping[str, str]) -> Tree:
    """Nest the variables of ENVIRONMENT_PREFIX as Config is."""
    variables: dict[str, str | None] = {}
    for name, value in environ.items():
        if name.startswith(ENVIRONMENT_PREFIX):
            variables.update([_variable(name, value)])
    source = EnvSettingsSource(Config)
    source.env_vars = variables
    try:
        tree: Tree = source()
        if isinstance(nodes := tree.get("nodes"), str):
            tree["nodes"] = dict(parse_node(part) for part in nodes.split(",") if part.strip())
    except SettingsError as error:
        raise ConfigError(f"The environment: {error}") from None
    except ValueError as error:
        raise ConfigError(f"nodes: {error}") from None
    return tree


def _variable(name: str, value: str) -> tuple[str, str]:
    """Return a variable under its lower-case name, its value read from the file where `_FILE` says so."""
    section = name.removeprefix(ENVIRONMENT_PREFIX).split("__")[0].lower()
    if section not in Config.model_fields:
        raise ConfigError(f"{name} names no section of the settings: {', '.join(Config.model_fields)} are known")
    if not name.endswith("_FILE"):
        return name.lower(), value
    try:
        return name.removesuffix("_FILE").lower(), Path(value).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name} = {value!r} cannot be read: {error}") from None


def _explain(problem: Any) -> str:
    """Say which setting is wrong, with which value, and what is allowed."""
    name = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{name} is not a setting; see docs/configuration.md"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return (
        f"{name} = {problem['input']!r}: {message}"
        if isinstance(problem["input"], str | int | float)
        else f"{name}: {message}"
    )
