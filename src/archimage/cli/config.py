"""`archimage config`: the settings shown with where each came from, written as a file to begin with, and checked."""

import json as jsonlib
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import print_json, print_table, say
from archimage.cli.serve import load
from archimage.errors import ConfigError

if TYPE_CHECKING:
    from archimage.settings import Setting

app = typer.Typer(help="Show, write or check the settings.", no_args_is_help=True)

Force = Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")]
_HEAD = """\
# Settings of archimage; docs/configuration.md tells more. What stands here are the defaults: take the `#` away from a
# line to change it. Flags and the environment (ARCHIMAGE__SECTION__KEY) stand above this file.
"""
_TABLES = """
# Tables: compression by modality, `*` for all others; log levels by category; certificates of AE titles; groups of
# the provider to roles; stations by modality; queues of CUPS by called AE title; tiers that rules move studies to;
# archives over the web; nodes that this archive may call.
# [storage.compress]
# CT = "htj2k-lossless"
# "*" = "none"

# [log.levels]
# dimse = "debug"

# [tls.peers]
# CT1 = "ct1.hospital.example"

# [access.oidc.roles]
# pacs-admins = "admin"

# [worklist.stations]
# CT = ["CT1"]

# [print.queues]
# FILMS = "dry-imager"

# [tiers.warm]
# directory = "/mnt/archive"

# [routing.archives.CLOUD]
# address = "https://pacs.example/dicom-web"

# [nodes.WORKSTATION]
# host = "192.0.2.7"
# port = 104
"""


@app.command("show")
def show(data: Data = None, json: Json = False, config: ConfigFile = None) -> None:
    """Show every setting that `archimage serve` would run with, and where it comes from; secrets are masked."""
    from archimage.settings import listed

    found = listed(load({"storage": {"directory": data}}, config))
    if json:
        print_json([asdict(setting) for setting in found])
        return
    rows = [{"setting": one.name, "value": _toml(one.value), "from": _source(one)} for one in found]
    print_table(("setting", "value", "from"), rows)


@app.command("init")
def init(data: Data = None, force: Force = False, config: ConfigFile = None) -> None:
    """Write a file of every setting, its meaning and its default: `archimage.toml` in the data directory."""
    from archimage.config import StorageConfig
    from archimage.settings import FILE_NAME

    path = config or (data or StorageConfig().directory) / FILE_NAME
    try:
        _write(path, "".join(_template()), force=force)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error
    say(f"wrote {path}")


@app.command("check")
def check(data: Data = None, config: ConfigFile = None) -> None:
    """Read the settings as `archimage serve` would, and say what is wrong with them: exit code 2."""
    from archimage.settings import listed

    given = [one for one in listed(load({"storage": {"directory": data}}, config)) if one.source != "default"]
    files = sorted({one.source_name for one in given if one.source == "file"})
    say(f"the settings are in order: {len(given)} given, in {', '.join(files) or 'no file'}; the rest are defaults")


def _template() -> Iterator[str]:
    """Yield the file: sections that are there, settings that are commented out."""
    from archimage.config import Config
    from archimage.settings import listed

    section = ""
    yield _HEAD
    for one in listed(Config()):
        if isinstance(one.default, dict):
            continue
        name, _, key = one.name.rpartition(".")
        if name != section:
            section = name
            yield f"\n[{section}]\n"
        yield f"# {one.description}\n# {key} = {_toml('' if one.secret else one.default)}\n"
    yield _TABLES


def _write(path: Path, text: str, *, force: bool) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with made.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if force:
            made.replace(path)
        else:
            _link(path, made)
    finally:
        made.unlink(missing_ok=True)


def _link(path: Path, made: Path) -> None:
    try:
        path.hardlink_to(made)
    except FileExistsError:
        raise ConfigError(f"{path} is there already; --force overwrites it") from None


def _source(one: "Setting") -> str:
    return f"{one.source} {one.source_name}".strip()


def _toml(value: Any) -> str:
    """Write a value as TOML does; of plain values and lists JSON is the same."""
    return jsonlib.dumps(value, ensure_ascii=False)
