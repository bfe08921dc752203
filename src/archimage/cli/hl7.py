"""`archimage hl7`: send messages to others, and look after those that came."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archimage.cli.options import ConfigFile, Data, Json, Tls
from archimage.cli.output import ExitCode, print_json, print_table, say
from archimage.errors import ConfigError

if TYPE_CHECKING:
    from archimage.app import App
    from archimage.model.messages import Hl7Message, MessageState

app = typer.Typer(help="Send HL7 messages, and look after those that came.", no_args_is_help=True)

_LOOK_EVERY_S = 0.1
_COLUMNS = ("id", "received", "state", "kind", "sender", "control_id", "ack", "told")

Number = Annotated[int, typer.Argument(help="Number of the message.", metavar="NUMBER", min=1)]


@contextmanager
def _opened(command: str, data: Path | None, config: Path | None) -> "Iterator[App]":
    """Open the archive of a data directory, for whoever runs the command."""
    from archimage.cli.audit import this_user
    from archimage.cli.import_ import opened
    from archimage.model.callers import DoneFor

    with DoneFor(this_user(command)), opened(data, config) as archive:
        yield archive


@app.command("send")
def send(
    file: Annotated[Path, typer.Argument(help="File of one message.", metavar="FILE", exists=True, dir_okay=False)],
    receiver: Annotated[str, typer.Argument(help="Who gets it.", metavar="HOST:PORT")],
    tls: Tls = False,
    config: ConfigFile = None,
) -> None:
    """Send a message over MLLP, and tell how it was acknowledged."""
    from archimage.cli.serve import load
    from archimage.hl7.client import Receiver
    from archimage.hl7.client import send as send_to
    from archimage.tls.contexts import requestor

    host, _, port = receiver.rpartition(":")
    if not (host and port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise ConfigError(f"{receiver!r} is no HOST:PORT")
    settings = load({}, config)
    called = Receiver.of(receiver, (lambda: requestor(settings)) if tls else None)
    message = b"\r".join(line for line in file.read_bytes().splitlines() if line.strip()) + b"\r"
    say(f"{receiver} accepted it: {send_to(called, message)}")


@app.command("list")
def list_(
    state: Annotated[
        str, typer.Option("--state", help="received, waiting, done, ignored, failed, discarded.", metavar="STATE")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", help="How many at most.", min=1, max=1_000)] = 100,
    data: Data = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """List the messages that came, the newest first."""
    wanted = _state(state) if state else None
    with _opened("hl7 list", data, config) as archive:
        found = archive.messaging.inbox.find(state=wanted, limit=limit)
    rows = [_row(one) for one in found]
    if json:
        print_json(rows)
    else:
        print_table(_COLUMNS, rows)


@app.command("show")
def show(number: Number, data: Data = None, config: ConfigFile = None) -> None:
    """Print a message as it came, a segment a line."""
    with _opened("hl7 show", data, config) as archive:
        found = archive.messaging.inbox.get(number)
    typer.echo(found.raw.replace(b"\r", b"\n").decode("utf-8", "replace").rstrip("\n"))


@app.command("retry")
def retry(number: Number, data: Data = None, config: ConfigFile = None) -> None:
    """Apply a message that failed once more; exit code 1 where it fails again."""
    with _opened("hl7 retry", data, config) as archive:
        found = archive.messaging.inbox.retry(number)
        pause = threading.Event()
        while archive.changes.unfinished:  # what was begun here is not another process's to end
            pause.wait(_LOOK_EVERY_S)
    _tell(found)


@app.command("discard")
def discard(number: Number, data: Data = None, config: ConfigFile = None) -> None:
    """Have a message that failed rest: it is not tried again."""
    with _opened("hl7 discard", data, config) as archive:
        say(f"message {number} is {archive.messaging.inbox.discard(number).state}")


def _tell(message: "Hl7Message") -> None:
    from archimage.model.messages import MessageState

    say(f"message {message.id} is {message.state}: {message.outcome.text or 'nothing is said'}")
    if message.state is MessageState.FAILED:
        raise typer.Exit(ExitCode.FAILED)


def _state(text: str) -> "MessageState":
    from archimage.model.messages import MessageState

    try:
        return MessageState(text.lower())
    except ValueError:
        raise ConfigError(f"{text!r} is no state; one of {', '.join(MessageState)} is allowed") from None


def _row(message: "Hl7Message") -> dict[str, object]:
    return {
        "id": message.id,
        "received": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(message.received_at)),
        "state": message.state.value,
        "kind": message.kind,
        "sender": message.sender,
        "control_id": message.control_id,
        "ack": message.outcome.ack.value,
        "told": message.outcome.text,
    }
