"""OHIF under `/ohif/` as an ASGI application: its files, its page at every address without an extension, our settings.

A page of OHIF may load and ask nothing but this server. Its decoders are WebAssembly, some of its workers begin as
blobs, and its components style themselves in attributes; no script is run but its files and what stands in its page.
What glues the decoders to JavaScript is made of text and evaluated, in workers and, for segmentations, in the page.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Final, ParamSpec, TypeVar
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from archimage.web.dicomweb.conditional import WEAK, is_current
from archimage.web.dicomweb.metadata import takes_gzip
from archimage.web.errors import NOWHERE, status_report
from archimage.web.measured import ROUTE
from archimage.web.ohif.adapting import PAGE, ROOT, SETTINGS
from archimage.web.ohif.installed import Installation, Member, Viewer
from archimage.web.responses import ThreadedResponse

_P = ParamSpec("_P")
_T = TypeVar("_T")
_PAGE_ADDRESS: Final = re.compile(rf"{ROOT}(/[A-Za-z0-9_-]*)*", re.ASCII)
_INLINE: Final = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".jsonc": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".webapp": "application/manifest+json",
    ".woff2": "font/woff2",
    ".xml": "application/xml",
}
_POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'{scripts}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' blob: data:; font-src 'self' data:; media-src 'self' blob:; worker-src 'self' blob:; "
    "connect-src 'self' blob: data:; object-src 'self' blob:; frame-src 'self' blob:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
_KEPT: Final = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
_ASKED_AGAIN: Final = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
_MAX_PARAMETERS: Final = 100
_READING: Final = frozenset({"GET", "HEAD"})


class Ohif:
    """Serves the installed viewer; where none is installed, otherwise answers."""

    def __init__(
        self, installation: Installation, otherwise: ASGIApp, prepare: Callable[[Sequence[str]], None]
    ) -> None:
        """Prepare; prepare is told which studies somebody opens, and returns at once."""
        self._installation = installation
        self._otherwise = otherwise
        self._prepare = prepare
        self._settings = (Path(__file__).parent / SETTINGS).read_bytes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope[ROUTE] = f"{ROOT}/{{path}}"
        viewer = await run_in_threadpool(self._installation.viewer)
        answer = self._otherwise if viewer is None else await run_in_threadpool(self._answer, viewer, scope)
        await answer(scope, receive, send)

    def _answer(self, viewer: Viewer, scope: Scope) -> ASGIApp:
        if scope["method"] not in _READING:
            allowed = {"Allow": "GET, HEAD"}
            return status_report(HTTPStatus.METHOD_NOT_ALLOWED, "this can only be read", "Use GET.", allowed)
        asked = _Asked(scope)
        if _PAGE_ADDRESS.fullmatch(asked.path):
            self._prepare(_studies(scope["query_string"].decode("latin-1")))
            page = viewer.read(PAGE)
            return asked.whole(page, _TYPES[".html"], _policy(page))
        if asked.path == f"{ROOT}/{SETTINGS}":
            return asked.whole(self._settings, _TYPES[".js"], _policy())
        edition, _, name = asked.path.removeprefix(f"{ROOT}/").partition("/")
        member = viewer.members.get(name) if edition == viewer.edition else None
        if member is None:
            return status_report(HTTPStatus.NOT_FOUND, NOWHERE, "Load the page again.")
        return asked.streamed(viewer, member, PurePosixPath(name).suffix)


class _Asked:
    """What a request asks for, and in which form."""

    def __init__(self, scope: Scope) -> None:
        headers = dict(scope["headers"])
        self.path: str = scope["raw_path"].decode("latin-1")
        self._packed = takes_gzip(headers.get(b"accept-encoding", b"").decode("latin-1"))
        self._known: str | None = headers[b"if-none-match"].decode("latin-1") if b"if-none-match" in headers else None

    def whole(self, content: bytes, media_type: str, policy: str) -> Response:
        """Answer with what may change at any time: small, and asked for again whenever it is used."""
        etag = f'{WEAK}"{hashlib.sha256(content).hexdigest()[:16]}"'
        headers = {**_ASKED_AGAIN, "ETag": etag, "Content-Security-Policy": policy, "Referrer-Policy": "same-origin"}
        if is_current(etag, self._known):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    def streamed(self, viewer: Viewer, member: Member, suffix: str) -> ASGIApp:
        """Answer with what stays what it is under its address; its name says by its suffix of what kind it is."""
        kind = _TYPES.get(suffix, "application/octet-stream")
        headers = {**_KEPT, "Content-Type": kind, "Content-Security-Policy": _policy()}
        if member.deflated and self._packed:
            headers |= {"Content-Encoding": "gzip", "Content-Length": str(viewer.packed_bytes(member))}
            return ThreadedResponse(viewer.packed(member), _in_thread, headers)
        headers["Content-Length"] = str(member.size_bytes)
        return ThreadedResponse(viewer.plain(member), _in_thread, headers)


def _studies(query: str) -> list[str]:
    """Return the studies that an address of OHIF opens."""
    try:
        found = parse_qs(query, max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        return []
    return [uid for value in found.get("StudyInstanceUIDs", ()) for uid in value.split(",")]


async def _in_thread(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    return await run_in_threadpool(work, *args, **kwargs)


def _policy(page: bytes = b"") -> str:
    """Write the policy of a page, by which of the scripts in it only those run that stand there now; or of a worker."""
    found = (base64.b64encode(hashlib.sha256(script).digest()).decode() for script in _INLINE.findall(page))
    return _POLICY.format(scripts="".join(f" 'sha256-{one}'" for one in found))
