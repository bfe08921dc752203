"""What of an archive can be asked over the network: its own ports, and every node that it knows."""

import asyncio
import errno
import json
import socket
import ssl
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from archimage import __version__
from archimage.cli.findings import Finding
from archimage.cli.peer import check_status
from archimage.config import Config
from archimage.errors import ArchimageError
from archimage.model.nodes import Node
from archimage.net import reasons
from archimage.net.client import ClientSettings, connect
from archimage.net.conversation import RemoteNode
from archimage.net.proposals import for_services
from archimage.net.remote import remote
from archimage.net.server import bind
from archimage.protocol.uids import VERIFICATION
from archimage.tls.contexts import requestor

_PATIENCE: Final = ClientSettings(connect_timeout_s=5.0, acse_timeout_s=10.0, dimse_timeout_s=10.0)
_WITHIN_S: Final = 30.0
_HTTP_WITHIN_S: Final = 5.0
_AT_ONCE: Final = 32
_MOST_BYTES: Final = 1 << 20
_PIECE_BYTES: Final = 1 << 16
_ANY: Final[Mapping[str, str]] = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where we listen, not bind here


async def examine(config: Config, nodes: Sequence[Node]) -> list[Finding]:
    """Look at the ports without TLS, at that of the web side, and at every node."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(node: Node) -> Finding:
        async with turns:
            return await _node(node, config)

    own = [_dicom(config)] if config.dicom.plain else []
    return list(await asyncio.gather(*own, _http(config), *map(one, nodes)))


async def _dicom(config: Config) -> Finding:
    dicom = config.dicom
    subject = f"DICOM {dicom.host}:{dicom.port}"
    if (finding := await asyncio.to_thread(_free, subject, dicom.host, dicom.port)) is not None:
        return finding
    calling = next(iter(dicom.allowed_calling_ae_titles), dicom.ae_title)
    called = next(iter(dicom.accepted_called_ae_titles), dicom.ae_title)
    fault = await _fault(RemoteNode(called, _reached(dicom.host), dicom.port), calling)
    if fault is None:
        return Finding("ports", subject, "ok", f"answers as {called}")
    return Finding(
        "ports", subject, "failed", f"is taken, but not by this archive: {fault[0]}", _taken("dicom", dicom.port)
    )


async def _http(config: Config) -> Finding:
    http = config.http
    subject = f"HTTP {http.host}:{http.port}"
    if (finding := await asyncio.to_thread(_free, subject, http.host, http.port)) is not None:
        return finding
    try:
        async with asyncio.timeout(_HTTP_WITHIN_S):
            return await _probed(subject, config)
    except (OSError, ValueError, RecursionError) as error:
        told = f"is taken, but not by this archive: {str(error) or type(error).__name__}"
        return Finding("ports", subject, "failed", told, _taken("http", http.port))


def _free(subject: str, host: str, port: int) -> Finding | None:
    """Tell that nobody listens, or that nobody can; None where somebody does."""
    if not port:
        return Finding("ports", subject, "ok", "a free one is taken at each start")
    try:
        bind(host, port, shared=False).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return None
        return Finding("ports", subject, "failed", f"cannot be listened on: {error.strerror or error}", _hint(error))
    return Finding("ports", subject, "ok", "is free: the server does not run")


def _hint(error: OSError) -> str:
    if error.errno == errno.EACCES:
        return "Choose a port from 1024 on, or give archimage the capability CAP_NET_BIND_SERVICE."
    return "Set the host to an address of this machine: see `ip address`."


def _taken(section: str, port: int) -> str:
    return f"See who listens (`ss -ltnp 'sport = :{port}'`), and end it or set {section}.port to another."


def _reached(host: str) -> str:
    return _ANY.get(host, host)


async def _probed(subject: str, config: Config) -> Finding:
    """Ask the server that listens; raises ValueError where it is not ours."""
    about = (await _asked(config, "/openapi.json")).get("info", {})  # which needs no login
    if about.get("title") != "archimage":
        raise ValueError("it does not say that it is archimage")
    version = str(about.get("version"))
    told = f"archimage {version} answers"
    directory = (await _asked(config, "/api/v1/system")).get("directory")  # told to whoever may do something there
    if directory is not None and Path(str(directory)) != config.storage.directory.resolve():
        step = "Name the same directory with --data, or another port with the settings."
        return Finding("ports", subject, "warning", f"{told}, with the archive in {directory}", step)
    checks = (await _asked(config, "/ready")).get("checks", {})
    wrong = [f"{name}: {said}" for name, said in checks.items() if said != "ok"]
    if wrong:
        return Finding("ports", subject, "failed", f"{told}, but is not ready: {', '.join(wrong)}", "See its log.")
    if version != __version__:
        step = "Restart the server, so that it runs what is installed."
        return Finding("ports", subject, "warning", f"{told}, but {__version__} is installed", step)
    return Finding("ports", subject, "ok", f"{told} and is ready")


async def _asked(config: Config, path: str) -> Mapping[str, Any]:
    """Ask for a JSON object, in HTTP/1.0, whose answers end with their connection; raises OSError or ValueError."""
    host, port = _reached(config.http.host), config.http.port
    reader, writer = await asyncio.open_connection(host, port, ssl=_trusting(config) if config.http.tls else None)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {f'[{host}]' if ':' in host else host}:{port}\r\n\r\n".encode())
        answer = b""
        while (piece := await reader.read(_PIECE_BYTES)) and len(answer) < _MOST_BYTES:
            answer += piece
    finally:
        writer.close()
    found = json.loads(answer.partition(b"\r\n\r\n")[2] or b"null")
    if not isinstance(found, dict):
        raise ValueError("it answers as something else")
    return found


def _trusting(config: Config) -> ssl.SSLContext:
    """Return a context that takes whatever certificate comes: it is our own server that is asked."""
    context = requestor(config)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _node(node: Node, config: Config) -> Finding:
    """Ask one node: whether its name is known, whether it connects, associates and answers."""
    subject = str(node)
    try:
        async with asyncio.timeout(_WITHIN_S):
            await asyncio.get_running_loop().getaddrinfo(node.host, node.port, type=socket.SOCK_STREAM)
            fault = await _fault(remote(node, partial(requestor, config)), config.dicom.ae_title)
    except OSError as error:
        fault = reasons.connection(error, node.host, node.port)
    except TimeoutError:
        fault = reasons.no_connection_within(_WITHIN_S)
    if fault is None:
        return Finding("nodes", subject, "ok", "its address is known, it connects, associates and answers C-ECHO")
    return Finding("nodes", subject, "failed", *fault)


async def _fault(node: RemoteNode, calling: str) -> tuple[str, str] | None:
    """Send a C-ECHO; return what went wrong and the next step."""
    try:
        contexts = for_services(VERIFICATION)
        async with await connect(node, calling_ae_title=calling, contexts=contexts, settings=_PATIENCE) as association:
            check_status(node, await association.echo())
    except ArchimageError as error:
        return str(error), error.next_step
    return None
