"""Style, scripts and icons of the pages: read once, kept compressed, and told apart by what they hold.

All stand in a directory that is named after their contents, so that browsers keep them until they change. A script is
served with the modules that it imports.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path, PurePath
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from archimage.web.errors import NOWHERE, status_report
from archimage.web.pages.linking import link

ROOT: Final = "/static"
_DIRECTORY: Final = Path(__file__).parent / "static"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_SCRIPT: Final = ".js"
_KEPT: Final = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, as it is and compressed."""

    content: bytes
    compressed: bytes
    media_type: str


class Assets:
    """The files, by name."""

    def __init__(self, directory: Path = _DIRECTORY) -> None:
        texts = {path: path.read_text("utf-8") for path in sorted(directory.iterdir()) if path.suffix in _TYPES}
        scripts = link({path.stem: text for path, text in texts.items() if path.suffix == _SCRIPT})
        others = {path.name: text for path, text in texts.items() if path.suffix != _SCRIPT}
        files = others | {f"{name}{_SCRIPT}": text for name, text in scripts.items()}
        self._files = {name: _packed(name, text) for name, text in files.items()}
        self._version = _digest(self._files)

    def address(self, name: str) -> str:
        """Return the address of a file; KeyError where there is none, so that no page names what is not there."""
        self._files[name]
        return f"{ROOT}/{self._version}/{name}"

    async def serve(self, request: Request) -> Response:
        """Answer a request for `/static/{version}/{name}`; pages of another version get no mixture."""
        asset = self._files.get(request.path_params["name"])
        if asset is None or request.path_params["version"] != self._version:
            return status_report(HTTPStatus.NOT_FOUND, NOWHERE, "Load the page again.")
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers = {**_KEPT, "Content-Encoding": "gzip"}
            return Response(asset.compressed, headers=headers, media_type=asset.media_type)
        return Response(asset.content, headers=_KEPT, media_type=asset.media_type)


def _packed(name: str, text: str) -> Asset:
    content = text.encode()
    return Asset(content, gzip.compress(content, 9, mtime=0), _TYPES[PurePath(name).suffix])


def _digest(files: Mapping[str, Asset]) -> str:
    found = hashlib.sha256()
    for name, asset in files.items():
        found.update(f"{name}:{len(asset.content)}:".encode())
        found.update(asset.content)
    return found.hexdigest()[:16]
