"""`archimage store`: send files to a peer (C-STORE), over several associations at once."""

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import typer

from archimage.cli.options import (
    CALLED,
    CALLING,
    NO_LOGIN,
    Called,
    Calling,
    Host,
    Json,
    JwtFile,
    Login,
    PasscodeFile,
    Port,
    Tls,
    User,
)
from archimage.cli.output import (
    ExitCode,
    Stage,
    exit_code,
    print_counts,
    print_json,
    print_problems,
    progress,
    rate,
    say,
    tell,
)

if TYPE_CHECKING:
    from archimage.cli.sending import Sent
    from archimage.services.sources import Source

Paths = Annotated[
    list[Path], typer.Argument(help="Files, folders, zip archives, DICOMDIRs.", metavar="PATH...", exists=True)
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, max=64, help="Associations at once.")]


_LOOKING: Final = Stage("Looking at files")


class Target(NamedTuple):
    """Where to send, under which AE titles, whether with TLS, and as which user."""

    host: str
    port: int
    calling: str
    called: str
    tls: bool = False
    login: Login = NO_LOGIN


def store(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    host: Host,
    port: Port,
    paths: Paths,
    jobs: Jobs = 4,
    calling: Calling = CALLING,
    called: Called = CALLED,
    tls: Tls = False,
    user: User = None,
    passcode_file: PasscodeFile = None,
    jwt_file: JwtFile = None,
    json: Json = False,
) -> None:
    """Send files to a peer (C-STORE).

    Folders are walked; what is no DICOM file is passed over.
    """
    from archimage.services.sources import sources

    target = Target(host, port, calling, called, tls, Login(user, passcode_file, jwt_file))
    send(sources(paths), target, jobs=jobs, json=json)


def send(found: "Iterable[Source]", target: Target, *, jobs: int, json: bool, first: Stage = _LOOKING) -> None:
    """Send sources, show how far it is, print the sum; exit code 1 if some were refused, 3 if the network failed.

    first is what is shown while found is gone through.
    """
    from archimage.cli import peer, sending

    node = peer.node(target.called, target.host, target.port, tls=target.tls, login=target.login)
    peer.check_ae_title("-aet", target.calling)
    sent = sending.Sent()
    with progress() as bars:
        looking = bars.add_task(first.title, total=first.total, rate="")
        planned = sending.plan(_watched(found, lambda: bars.advance(looking)), sent)
        bars.update(looking, total=len(planned), visible=False)
        task = bars.add_task(f"Sending to {node}", total=len(planned), rate="")
        done = sent.files
        sent.started = time.monotonic()

        def tell() -> None:
            bars.update(task, completed=sent.files - done, rate=rate(sent.stored, sent.size_bytes, sent.elapsed_s))

        peer.run(sending.Sender(node, target.calling, sent, tell).send(planned, jobs))
    _report(sent, as_json=json)


def _watched(found: "Iterable[Source]", tell: Callable[[], None]) -> "Iterator[Source]":
    for source in found:
        tell()
        yield source


def _report(sent: "Sent", *, as_json: bool) -> None:
    if sent.error is not None and sent.failed:
        say(tell(sent.error))
    summary: dict[str, object] = {
        "stored": sent.stored,
        "warnings": sent.warnings,
        "refused": sent.refused,
        "failed": sent.failed,
        "skipped": sent.skipped,
    }
    if as_json:
        problems = [{"file": name, "reason": reason} for name, reason in sent.problems]
        elapsed_s = round(sent.elapsed_s, 3)
        print_json(summary | {"size_bytes": sent.size_bytes, "elapsed_s": elapsed_s, "problems": problems})
    else:
        print_problems(sent.problems)
        say(rate(sent.stored, sent.size_bytes, sent.elapsed_s))
        print_counts(summary)
    if sent.failed and sent.error is not None:
        raise typer.Exit(exit_code(sent.error))
    if sent.refused or sent.failed:
        raise typer.Exit(ExitCode.FAILED)
