"""Reading the settings: one frozen Config from defaults < TOML file < environment < command line; and telling them.

The environment names a setting `ARCHIMAGE__SECTION__KEY`; with `_FILE` appended, the file that holds its value. The
TOML file is the one given, or that of ARCHIMAGE_CONFIG, or `archimage.toml` in the data directory when there is one.
What is read keeps where it came from: each source is laid over those below it, its leaves marked with its name.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel, SecretBytes, SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource, SettingsError

from archimage.config import ENVIRONMENT_PREFIX, Config, Key, Source, SourceKind, StorageConfig
from archimage.errors import ConfigError

FILE_VARIABLE: Final = "ARCHIMAGE_CONFIG"
FILE_NAME: Final = "archimage.toml"
FLAGS: Final[Mapping[Key, str]] = {
    ("storage", "directory"): "--data",
    ("dicom", "host"): "--host",
    ("http", "host"): "--host",
    ("dicom", "port"): "--dicom-port",
    ("http", "port"): "--http-port",
    ("dicom", "ae_title"): "--ae-title",
    ("dicom", "workers"): "--workers",
    ("nodes",): "--node",
}
"""The flags of `archimage serve`, by what they set."""
_FILE_SUFFIX: Final = "_FILE"
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)

_KEY: Final = re.compile(r"\n|-----")
"""In what is given: the content of a file instead of its name."""
_PASSWORD: Final = re.compile(r"(?<=//)[^/\s]*(?=@)|(?<=password=)[^&\s]*")
"""In an address: who one is, and by which password."""

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as people see it; of a secret, value and default tell only whether there is one."""

    name: str
    value: Any
    default: Any
    source: SourceKind
    source_name: str
    description: str
    secret: bool


@dataclass(slots=True)
class _Layers:
    """Sources laid over one another."""

    tree: Tree = field(default_factory=dict)
    sources: dict[Key, Source] = field(default_factory=dict)

    def lay(self, tree: Tree, source: Callable[[Key], Source]) -> None:
        """Put a source above those that are there."""
        self.tree = _merge(self.tree, tree)
        for key in _leaves(tree):
            self.sources[key] = source(key)


def parse_node(text: str) -> tuple[str, dict[str, str]]:
    """Split `AET=HOST:PORT`; an IPv6 host stands in brackets. Raises ValueError."""
    ae_title, equals, address = text.partition("=")
    host, colon, port = address.rpartition(":")
    if not (ae_title and equals and host and colon and port):
        raise ValueError(f"{text!r} is not AET=HOST:PORT")
    return ae_title.strip(), {"host": host.strip("[]"), "port": port}


def load(flags: Tree, environ: Mapping[str, str], file: Path | None = None, model: type[Config] = Config) -> Config:
    """Make the Config of flags (nested as model is), environ and the TOML file.

    Raises ConfigError, which names the setting, its value and what is allowed.
    """
    variables = list(_read_environment(environ, model))
    upper = flags
    for tree, _ in reversed(variables):
        upper = _merge(tree, upper)
    layers = _Layers()
    path = file_of(upper, environ, file)
    if path is not None:
        layers.lay(_read_file(path), lambda _: Source("file", str(path)))
    for tree, source in variables:
        layers.lay(tree, partial(_always, source))
    layers.lay(flags, lambda key: Source("flag", FLAGS.get(key) or FLAGS.get(key[:1], "")))
    try:
        config = model(**layers.tree)
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(problem, model) for problem in error.errors())) from None
    return config.from_sources({_place(key, model).key: source for key, source in layers.sources.items()})


def file_of(upper: Tree, environ: Mapping[str, str], file: Path | None = None) -> Path | None:
    """Choose the TOML file; one that was asked for must be there, that of the data directory may be.

    upper holds what flags and environment set.
    """
    if file is not None:
        return file
    if FILE_VARIABLE in environ:
        return Path(environ[FILE_VARIABLE])
    storage = upper.get("storage", {})
    directory = storage.get("directory") if isinstance(storage, dict) else None
    found = Path(directory or StorageConfig().directory) / FILE_NAME
    return found if found.is_file() else None


def listed(config: Config) -> Sequence[Setting]:
    """List every setting as it was given, secrets masked, with where it came from."""
    given, model = config.given, type(config)
    values = given.model_dump(mode="json")  # pydantic itself writes a secret as asterisks
    defaults = dict(_flat(model().model_dump(mode="json"), ()))
    found = []
    for key, value in _flat(values, ()):
        place, source = _place(key, model), given.source(key)
        description = (place.field and place.field.description) or ""
        secret = _is_secret(place.annotation)
        found.append(Setting(named(key), value, defaults.get(key), source.kind, source.name, description, secret))
    return found


def named(key: Key) -> str:
    """Write a setting's name, as TOML writes a dotted key."""
    return ".".join(part if _BARE_KEY.fullmatch(part) else json.dumps(part, ensure_ascii=False) for part in key)


def _always(source: Source, _key: Key) -> Source:
    return source


def _merge(below: Tree, above: Tree) -> Tree:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = _merge(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return merged


def _leaves(tree: Tree, above: Key = ()) -> Iterator[Key]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key)


def _flat(tree: Tree, above: Key) -> Iterator[tuple[Key, Any]]:
    """Yield the settings of a Config that was written as a tree; a table that is empty stands for itself."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, (*above, key))
        else:
            yield (*above, key), value


def _read_file(path: Path) -> Tree:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"The configuration file {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The configuration file {path} is not TOML: {error}") from None


def _read_environment(environ: Mapping[str, str], model: type[Config]) -> Iterator[tuple[Tree, Source]]:
    """Yield what each variable of ENVIRONMENT_PREFIX sets, nested as Config is; those of whole sections come first."""
    names = [name for name in environ if name.startswith(ENVIRONMENT_PREFIX)]
    for name in sorted(names, key=lambda name: name.count("__")):
        variable, value, source = _variable(name, environ[name], model)
        reader = EnvSettingsSource(model)
        reader.env_vars = {variable: value}
        try:
            tree: Tree = reader()
            if isinstance(nodes := tree.get("nodes"), str):
                tree["nodes"] = dict(parse_node(part) for part in nodes.split(",") if part.strip())
            elif nodes and (ae_title := name.removeprefix(ENVIRONMENT_PREFIX).split("__")[1:2]):
                tree["nodes"] = dict(zip(ae_title, nodes.values(), strict=True))  # AE titles know upper from lower case
        except SettingsError as error:
            raise ConfigError(f"The environment: {error}") from None
        except ValueError as error:
            raise ConfigError(f"nodes: {error}") from None
        yield tree, source


def _variable(name: str, value: str, model: type[Config]) -> tuple[str, str, Source]:
    """Return a variable under its lower-case name, its value read from the file where `_FILE` says so."""
    section = name.removeprefix(ENVIRONMENT_PREFIX).split("__")[0].lower()
    if section not in model.model_fields:
        raise ConfigError(f"{name} names no section of the settings: {', '.join(model.model_fields)} are known")
    if not name.endswith(_FILE_SUFFIX):
        return name.lower(), value, Source("environment", name)
    try:
        text = Path(value).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        if _KEY.search(value):  # what belongs into the file, which nobody is to read here
            raise ConfigError(f"{name}: this is the name of a file, not what is in it") from None
        raise ConfigError(f"{name} = {value!r} cannot be read: {error}") from None
    return name.removesuffix(_FILE_SUFFIX).lower(), text, Source("variable-file", name)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a setting stands in the models: its key as they write it, the field that describes it, and its type."""

    key: Key
    field: FieldInfo | None
    annotation: Any


def _place(key: Sequence[str | int], model: type[Config]) -> _Place:
    """Go down the models as far as they go; the keys of tables are written as they write them."""
    place = _Place((), None, model)
    for part in map(str, key):
        annotation = place.annotation
        if _is_model(annotation):
            field = annotation.model_fields.get(part)
            if field is None:
                break
            place = _Place((*place.key, part), field, field.annotation)
        elif get_origin(annotation) is Mapping:
            of_keys, of_values = get_args(annotation)
            place = _Place((*place.key, _written(of_keys, part)), place.field, of_values)
        else:
            break
    return place


def _written(of_keys: Any, part: str) -> str:
    try:
        return str(TypeAdapter(of_keys).validate_python(part))
    except ValidationError:  # a key that is wrong is shown as it is
        return part


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _is_secret(annotation: Any) -> bool:
    """Tell whether something of this type is, or holds, what nobody may read."""
    if annotation in {SecretStr, SecretBytes}:
        return True
    inner = [field.annotation for field in annotation.model_fields.values()] if _is_model(annotation) else ()
    return any(map(_is_secret, (*inner, *get_args(annotation))))


def _explain(problem: Any, model: type[Config]) -> str:
    """Say which setting is wrong, with which value, and what is allowed."""
    name = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{name} is not a setting; see docs/configuration.md"
    message = str(problem["msg"]).removeprefix("Value error, ")
    given = problem["input"]
    shown = isinstance(given, str | int | float) and not _is_secret(_place(problem["loc"], model).annotation)
    if not shown or _KEY.search(str(given)):
        return f"{name}: {message}"
    told = _PASSWORD.sub("***", given) if isinstance(given, str) else given
    return f"{name} = {told!r}: {message}"
