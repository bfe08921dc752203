"""`archimage move`: have a peer send what it keeps to an AE title that it knows (C-MOVE)."""

from typing import TYPE_CHECKING, Annotated

import typer

from archimage.cli.keys import check_level, check_model, identifier, plain
from archimage.cli.options import (
    CALLED,
    CALLING,
    Called,
    Calling,
    Host,
    Json,
    JwtFile,
    Keys,
    Level,
    Login,
    Model,
    PasscodeFile,
    Port,
    Tls,
    User,
)
from archimage.cli.output import ExitCode, print_counts, print_json, progress, say

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from archimage.net.operations import SubOperationProgress

Destination = Annotated[str, typer.Option("--dest", help="AE title to send to, as the peer knows it.")]


def move(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    host: Host,
    port: Port,
    dest: Destination,
    level: Level = "STUDY",
    key: Keys = None,
    model: Model = "study",
    calling: Calling = CALLING,
    called: Called = CALLED,
    tls: Tls = False,
    user: User = None,
    passcode_file: PasscodeFile = None,
    jwt_file: JwtFile = None,
    json: Json = False,
) -> None:
    """Have a peer send what it keeps to another (C-MOVE)."""
    from archimage.cli import peer
    from archimage.net.proposals import for_services
    from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN, PATIENT_ROOT_MOVE, STUDY_ROOT_MOVE

    node = peer.node(called, host, port, tls=tls, login=Login(user, passcode_file, jwt_file))
    level, keys = check_level(level), key or []
    destination = peer.check_ae_title("--dest", dest)
    sop_class = PATIENT_ROOT_MOVE if check_model(model) == "patient" else STUDY_ROOT_MOVE
    identifier(level, keys, (), EXPLICIT_VR_LITTLE_ENDIAN)

    async def ask() -> "tuple[SubOperationProgress, str]":
        async with await peer.associate(node, calling, for_services(sop_class)) as association:
            syntax = association.context(sop_class).transfer_syntax
            counts = association.move(sop_class, identifier(level, keys, (), syntax), destination)
            return await follow(counts, f"Moving to {destination}"), syntax

    report(*peer.run(ask()), who=f"{node}, asked to move to {destination},", as_json=json)


async def follow(counts: "AsyncIterable[SubOperationProgress]", title: str) -> "SubOperationProgress":
    """Show how far the sub-operations are; return the final counts."""
    last = None
    with progress() as bars:
        task = bars.add_task(title, total=None, rate="")
        async for last in counts:
            done = (last.completed or 0) + (last.failed or 0) + (last.warning or 0)
            bars.update(task, completed=done, total=done + (last.remaining or 0))
    if last is None:
        raise AssertionError("an operation ends with a final response")
    return last


def report(final: "SubOperationProgress", syntax: str, *, who: str, as_json: bool, **more: object) -> None:
    """Print how a C-MOVE or C-GET ended; exit code 1 when the peer refused or some failed."""
    from archimage.net import reasons
    from archimage.protocol.status import Service, is_failure

    failed_uids = _failed_uids(final, syntax)
    counts = {"completed": final.completed or 0, "warning": final.warning or 0, "failed": final.failed or 0}
    if as_json:
        status = {"status": final.status, "comment": final.error_comment, "remaining": final.remaining or 0}
        print_json(counts | status | {"failed_uids": failed_uids} | more)
    else:
        if final.status:
            comment = f" ({final.error_comment})" if final.error_comment else ""
            why, next_step = reasons.status(final.status, Service.MOVE)
            say(f"{who} answers {why}{comment}" + (f". {next_step}" if is_failure(final.status) else ""))
        for uid in failed_uids:
            say(f"failed: {uid}")
        print_counts(counts)
    if is_failure(final.status) or final.failed:
        raise typer.Exit(ExitCode.FAILED)


def _failed_uids(final: "SubOperationProgress", syntax: str) -> list[str]:
    if not final.identifier:
        return []
    found = plain(final.identifier, syntax).get("FailedSOPInstanceUIDList", "")
    uids = found if isinstance(found, list) else [found]
    return [str(uid) for uid in uids if uid]
