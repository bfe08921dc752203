"""`archimage doctor`: look at everything that an archive needs, and say what to do about what is not well."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from archimage.cli.findings import Finding
from archimage.cli.options import ConfigFile, Data, Json
from archimage.cli.output import ExitCode, print_json, print_table, say
from archimage.cli.serve import load
from archimage.errors import ConfigError

if TYPE_CHECKING:
    from archimage.config import Config

_STYLES: Final = {"ok": "green", "warning": "yellow", "failed": "bold red"}


def doctor(data: Data = None, json: Json = False, config: ConfigFile = None) -> None:
    """Look at settings, ports, disk, index, object store, clock, pixel workers, every node; exit code 1 if one fails.

    Nothing is changed, but that an object store is given a probe, which is deleted again. The archive may be running.
    """
    findings = list(_found(data, config))
    failed = [finding for finding in findings if finding.state == "failed"]
    if json:
        print_json({"healthy": not failed, "findings": [asdict(finding) for finding in findings]})
    else:
        rows = [
            {"": one.state, "what": f"{one.check}: {one.subject}", "found": one.message, "next": one.next_step}
            for one in findings
        ]
        print_table(("", "what", "found", "next"), rows, _STYLES)
        warnings = sum(finding.state == "warning" for finding in findings)
        say(f"{len(findings)} checks: {len(failed)} failed, {warnings} with a warning")
    if failed:
        raise typer.Exit(ExitCode.FAILED)


def _found(data: Path | None, file: Path | None) -> Iterator[Finding]:
    try:
        settings = load({"storage": {"directory": data}}, file)
    except ConfigError as error:
        step = "Correct it; docs/configuration.md describes every setting, `archimage config check` tries again."
        yield Finding("settings", "all", "failed", str(error), step)
        return
    yield Finding("settings", "all", "ok", "are in order")
    yield from _examined(settings)


def _examined(settings: "Config") -> Iterator[Finding]:
    from archimage.cli import local_checks, network_checks, object_store_checks, peer
    from archimage.config_observing import LogConfig
    from archimage.model.nodes import Node
    from archimage.observe import logs
    from archimage.services.nodes import configured

    logs.configure(LogConfig(level="error", format=settings.log.format))
    directory = settings.storage.directory
    stored: list[Node] = []
    yield from _safely("disk", directory, local_checks.disk(directory))
    yield from _safely("index", directory, local_checks.index(settings, stored))
    yield from _safely("clock", directory, local_checks.clock(directory))
    yield from _safely("viewer", settings.viewer_directory, local_checks.viewer(settings.viewer_directory))
    yield from object_store_checks.object_store(settings)
    yield from local_checks.certificate(settings)
    yield from local_checks.pixels(settings)
    known = {node.ae_title: node for node in stored}
    known |= {node.ae_title: node for node in configured(settings.nodes)}
    yield from peer.run(network_checks.examine(settings, [known[title] for title in sorted(known)]))


def _safely(check: str, directory: Path, findings: Iterator[Finding]) -> Iterator[Finding]:
    """Yield findings, and that the directory may not be looked into, where that ends them."""
    try:
        yield from findings
    except OSError as error:
        step = "Let the user who runs archimage read and write there, or run it as the one whom it belongs to."
        yield Finding(check, str(directory), "failed", f"cannot be looked into: {error.strerror or error}", step)
