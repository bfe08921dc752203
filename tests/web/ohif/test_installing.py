"""Installing the viewer: only what is known, adapted to its place, all of it or nothing."""

import fcntl
import io
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from archimage.errors import (
    ArchimageError,
    ConfigError,
    ConflictError,
    ConnectionFailedError,
    IntegrityError,
    OutOfResourcesError,
)
from archimage.web.ohif import installing, package
from archimage.web.ohif.installed import FILE_NAME, Installation
from archimage.web.ohif.package import OHIF
from archimage.web.ohif.unpacking import UnpackingLimits, files
from tests.web.ohif.packages import BUNDLE, FILES, PICTURE, install, package_of, tarball, unwatched


def member(name: str, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    """Return a member of an archive, which leads out of it if it is a link."""
    found = tarfile.TarInfo(name)
    found.type = kind
    found.linkname = "/etc/passwd"
    return found


def refusal(tmp_path: Path, content: bytes) -> str:
    """Install a tarball that is refused; return what is said of it. Nothing is there afterwards."""
    (tmp_path / "p.tgz").write_bytes(content)
    with pytest.raises(IntegrityError) as refused:
        installing.install(tmp_path / "viewer", unwatched, tmp_path / "p.tgz", package_of(content))
    assert [path.name for path in (tmp_path / "viewer").iterdir()] == ["install.lock"]
    return str(refused.value)


def test_files_are_told_the_address_that_they_are_served_under(tmp_path: Path) -> None:
    viewer = install(tmp_path / "viewer")
    base = f"/ohif/{viewer.edition}/"
    page = viewer.read("index.html").decode()
    assert f'src="{base}{BUNDLE}"' in page
    assert f'window.PUBLIC_URL="{base}"' in page
    assert 'src="/ohif/app-config.js"' in page
    assert not re.search(rf'="/(?!ohif/({viewer.edition}/|app-config\.js))', page)
    assert viewer.read(BUNDLE).startswith(f'__webpack_require__.p = "{base}";'.encode())
    assert viewer.read("app.bundle.css").startswith(f"@font-face{{src:url({base}a34f.woff2)}}".encode())
    assert b"url(data:" in viewer.read("app.bundle.css")
    assert (
        viewer.read("manifest.json").decode()
        == f'{{"icons": [{{"src": "{base}assets/icon.png"}}], "start_url": "/ohif/"}}'
    )
    assert viewer.read("assets/icon.png") == PICTURE


def test_what_is_large_and_of_no_use_or_loads_from_outside_is_left_out(tmp_path: Path) -> None:
    viewer = install(tmp_path / "viewer")
    left_out = {"app-config.js", "sw.js", "init-service-worker.js", f"{BUNDLE}.map", "ort/ort.wasm"}
    assert set(viewer.members) == set(FILES) - left_out
    assert b"service-worker" not in viewer.read("index.html")


def test_another_tarball_than_the_known_one_is_never_unpacked(tmp_path: Path) -> None:
    content = tarball()
    (tmp_path / "p.tgz").write_bytes(content + b"\0")
    with pytest.raises(IntegrityError, match=r"not @demo/viewer@1\.0\.0: its integrity is sha512-"):
        installing.install(tmp_path / "viewer", unwatched, tmp_path / "p.tgz", package_of(content))
    assert not (tmp_path / "viewer" / FILE_NAME).exists()


@pytest.mark.parametrize(
    "name",
    ["package/dist/../../../x.js", "/etc/x.js", "package/dist/a\\b.js", "package/./x", "package/dist/a\nb", "../x"],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    assert "whose name no file may have" in refusal(tmp_path, tarball(FILES, member(name)))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    assert "no file" in refusal(tmp_path, tarball(FILES, member("package/dist/x.js", kind)))


def test_what_unpacks_to_more_than_it_may_is_refused() -> None:
    for limits in (UnpackingLimits(members=3), UnpackingLimits(size_bytes=100)):
        with pytest.raises(IntegrityError, match="unpacks to more"):
            list(files(io.BytesIO(tarball()), limits))


@pytest.mark.parametrize("content", [b"", b"not a tarball", tarball()[:400]], ids=["empty", "text", "cut off"])
def test_what_is_no_tarball_is_refused(tmp_path: Path, content: bytes) -> None:
    assert refusal(tmp_path, content)


def test_a_package_that_is_built_in_another_way_is_refused(tmp_path: Path) -> None:
    built = {**FILES, BUNDLE: b'p="/";'}
    assert "has nothing like __webpack_require__" in refusal(tmp_path, tarball(built))


def test_installing_again_replaces_what_is_there_and_a_failure_leaves_it(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "viewer")
    first = install(tmp_path / "viewer")
    (tmp_path / "p.tgz").write_bytes(b"something else")
    with pytest.raises(IntegrityError):
        installing.install(tmp_path / "viewer", unwatched, tmp_path / "p.tgz", OHIF)
    found = installation.viewer()
    assert found is not None
    assert found.edition == first.edition
    second = install(tmp_path / "viewer", {**FILES, "decoder.wasm": b"new"}, "2.0.0")
    replaced = installation.viewer()
    assert replaced is not None
    assert (replaced.version, replaced.edition) == ("2.0.0", second.edition)
    assert replaced.read("decoder.wasm") == b"new"
    assert found.read("decoder.wasm") == FILES["decoder.wasm"]  # whoever still loads that one gets all of it
    assert first.edition != second.edition


@pytest.mark.parametrize("there", [False, True])
def test_an_installation_that_is_killed_leaves_what_was_there(tmp_path: Path, there: bool) -> None:
    directory = tmp_path / "viewer"
    if there:
        install(directory, version="0.9.0")
    content = tarball()
    (tmp_path / "p.tgz").write_bytes(content)
    killed = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from archimage.web.ohif import installing
        from archimage.web.ohif.package import Package

        def watch(doing, done, total):
            if doing == "Unpacking":
                os.kill(os.getpid(), signal.SIGKILL)

        installing.install(Path(sys.argv[1]), watch, Path(sys.argv[2]), Package("@demo/viewer", "1.0.0", sys.argv[3]))
    """)
    arguments: list[str | Path] = [directory, tmp_path / "p.tgz", package_of(content).integrity]
    assert (
        subprocess.run([sys.executable, "-c", killed, *arguments], timeout=60, check=False).returncode
        == -signal.SIGKILL
    )
    assert (directory / f"{FILE_NAME}.part").exists()
    found = Installation(directory).viewer()
    assert (found.version if found else None) == ("0.9.0" if there else None)
    assert install(directory).version == "1.0.0"
    assert {path.name for path in directory.iterdir()} == {FILE_NAME, "install.lock"}


def test_two_do_not_install_at_once(tmp_path: Path) -> None:
    install(tmp_path / "viewer")
    with (tmp_path / "viewer" / "install.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConflictError, match="being installed"):
            install(tmp_path / "viewer")
    install(tmp_path / "viewer")


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    content = tarball({**FILES, "noise.js": os.urandom(300_000)})
    (tmp_path / "p.tgz").write_bytes(content)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(OutOfResourcesError, match="cannot be written") as full:
            installing.install(tmp_path / "viewer", unwatched, tmp_path / "p.tgz", package_of(content))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "Make room" in full.value.next_step
    assert [path.name for path in (tmp_path / "viewer").iterdir()] == ["install.lock"]


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "viewer").write_text("a file")
    with pytest.raises(ConfigError, match=rf"http\.viewer_directory = {tmp_path}/viewer"):
        installing.install(tmp_path / "viewer", unwatched, tmp_path / "p.tgz")


def test_removing_takes_it_away(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "viewer")
    install(tmp_path / "viewer")
    assert installation.viewer() is not None
    assert installing.remove(tmp_path / "viewer")
    assert installation.viewer() is None
    assert not installing.remove(tmp_path / "viewer")


def test_a_file_that_is_damaged_counts_as_none(tmp_path: Path) -> None:
    install(tmp_path / "viewer")
    file = tmp_path / "viewer" / FILE_NAME
    file.write_bytes(file.read_bytes()[:-10])
    assert Installation(tmp_path / "viewer").viewer() is None


def test_without_npm_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="npm, which is not installed") as missing:
        package.fetch(OHIF)
    assert "npm pack @ohif/app@3.13.2" in missing.value.next_step
    assert "--tarball FILE" in missing.value.next_step


def test_a_registry_that_does_not_answer_is_told_in_the_words_of_npm(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("npm") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("npm is missing: apt-get install npm")
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    with pytest.raises(ConnectionFailedError, match=r"npm could not fetch .*ECONNREFUSED") as failed:
        package.fetch(replace(OHIF, version="0.0.1"))
    assert "Try again when npm reaches its registry" in failed.value.next_step


def test_a_tarball_that_is_not_there_or_far_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchimageError, match="cannot be read"):
        package.read(tmp_path / "missing.tgz")
    with (tmp_path / "large.tgz").open("wb") as file:
        file.truncate((256 << 20) + 1)
    with pytest.raises(ArchimageError, match="larger than 256 MiB"):
        package.read(tmp_path / "large.tgz")
