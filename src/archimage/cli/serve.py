"""`archimage serve`: run the archive."""

import gc
import os
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archimage.cli.leaving import leave
from archimage.cli.notify import READY, notify
from archimage.cli.options import ConfigFile, Data
from archimage.errors import ArchimageError, ConfigError

if TYPE_CHECKING:
    from archimage.app import App
    from archimage.config import Config
    from archimage.listeners import Addresses
    from archimage.server import OnReady, ReadConfig

Port = Annotated[int | None, typer.Option(min=0, max=65535, help="0 takes a free one.")]
Nodes = Annotated[
    list[str] | None, typer.Option(help="A C-MOVE destination; may be repeated.", metavar="AET=HOST:PORT")
]


def serve(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    data: Data = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on, for DICOM and HTTP.")] = None,
    dicom_port: Port = None,
    http_port: Port = None,
    ae_title: Annotated[str | None, typer.Option(help="AE title of the archive.")] = None,
    node: Nodes = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Equal processes on the same ports.")] = None,
    config: ConfigFile = None,
) -> None:
    """Run the archive until SIGTERM or SIGINT."""
    flags: dict[str, dict[str, Any]] = {
        "dicom": {"host": host, "port": dicom_port, "ae_title": ae_title, "workers": workers},
        "http": {"host": host, "port": http_port},
        "storage": {"directory": data},
        "nodes": parse_nodes(node or ()),
    }
    settings = load(flags, config)
    _run(settings, partial(load, flags, config))
    leave()


def parse_nodes(texts: "list[str] | tuple[()]") -> dict[str, dict[str, str]]:
    """Read `AET=HOST:PORT` options."""
    from archimage.settings import parse_node

    try:
        return dict(parse_node(text) for text in texts)
    except ValueError as error:
        raise ConfigError(f"--node {error}, for example ORTHANC=192.0.2.7:4242") from None


def load(flags: dict[str, dict[str, Any]], file: Path | None = None) -> "Config":
    """Read the settings; flags that were not given stand as None and do not count."""
    from archimage.settings import load as load_config

    given = {
        section: {key: value for key, value in keys.items() if value is not None} for section, keys in flags.items()
    }
    return load_config(given, os.environ, file)


def _join(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _told(addresses: "Addresses", settings: "Config") -> str:
    """Write where is listened."""
    web = "https" if settings.http.tls else "http"
    places = {"dicom": addresses.dicom, "dicom-tls": addresses.dicom_tls, web: addresses.http, "hl7": addresses.hl7}
    return " ".join(f"{name}={_join(address)}" for name, address in places.items() if address is not None)


def _run(settings: "Config", read: "ReadConfig") -> None:
    gc.disable()  # what is loaded stays: to look through it again and again takes a tenth of the start
    try:
        _start(settings, read)
    finally:
        gc.enable()


def _start(settings: "Config", read: "ReadConfig") -> None:
    from archimage import workers
    from archimage.app import build
    from archimage.observe import logs

    logs.configure(settings.log, node=settings.node.name)

    def ready(addresses: "Addresses") -> None:
        gc.freeze()  # so that no request waits for that either
        gc.enable()
        title, directory = settings.dicom.ae_title, settings.storage.directory
        sys.stdout.write(f"ready {_told(addresses, settings)} ae={title} data={directory}\n")
        sys.stdout.flush()
        notify(READY)

    if settings.dicom.workers > 1:
        workers.serve(settings, ready, read)
    else:
        with closing(build(settings)) as archive:
            _serve(archive, ready, read)


def _serve(archive: "App", ready: "OnReady", read: "ReadConfig") -> None:
    import uvloop

    from archimage import server

    try:
        uvloop.run(server.serve(archive, ready, read))
    except OSError as error:  # no event loop can be had
        raise ArchimageError(f"cannot serve: {error.strerror}") from error
