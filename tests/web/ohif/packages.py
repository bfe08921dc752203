"""Packages as npm packs them, small, and built as OHIF is."""

import base64
import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from archimage.web.ohif import installing
from archimage.web.ohif.installed import Viewer
from archimage.web.ohif.package import Package

BUNDLE: Final = "app.bundle.0123456789abcdef.js"
PICTURE: Final = b"\x89PNG not really"
SCRIPT: Final = '__webpack_require__.p = "/";\n' + "// long enough to be worth compressing\n" * 5_000
PAGE: Final = f"""<!doctype html><html><head>
<meta name="msapplication-config" content="/assets/browserconfig.xml">
<script>window.PUBLIC_URL="/"</script><link rel="manifest" href="/manifest.json">
<script rel="preload" as="script" src="/app-config.js"></script>
<script rel="preload" as="script" type="module" src="/init-service-worker.js"></script>
<script defer src="/{BUNDLE}"></script><link href="/app.bundle.css" rel="stylesheet"></head></html>"""
FILES: Final[Mapping[str, bytes]] = {
    "index.html": PAGE.encode(),
    BUNDLE: SCRIPT.encode(),
    "app.bundle.css": b"@font-face{src:url(/a34f.woff2)} b{background:url(data:image/png;base64,AA)}",
    "manifest.json": b'{"icons": [{"src": "/assets/icon.png"}], "start_url": "./index.html"}',
    "assets/icon.png": PICTURE,
    "a34f.woff2": b"font",
    "decoder.wasm": b"\0asm",
    "app-config.js": b"window.config = {elsewhere: true}",
    "sw.js": b"importScripts('elsewhere')",
    "init-service-worker.js": b"importScripts('elsewhere')",
    f"{BUNDLE}.map": b"{}",
    "ort/ort.wasm": b"large",
}


def tarball(files: Mapping[str, bytes] = FILES, *members: tarfile.TarInfo) -> bytes:
    """Pack files below `package/dist/`, and members as they are, empty."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"package/dist/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for member in members:
            archive.addfile(member)
    return packed.getvalue()


def package_of(content: bytes, version: str = "1.0.0") -> Package:
    """Return what would be known of a tarball."""
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    return Package("@demo/viewer", version, f"sha512-{digest}")


def unwatched(_doing: str, _done: int, _total: int) -> None:
    """Look away while something is installed."""


def install(directory: Path, files: Mapping[str, bytes] = FILES, version: str = "1.0.0") -> Viewer:
    """Install such a package."""
    directory.mkdir(parents=True, exist_ok=True)
    packed = tarball(files)
    file = directory.with_name(f"{version}.tgz")
    file.write_bytes(packed)
    return installing.install(directory, unwatched, file, package_of(packed, version))
