"""Talking to a peer from a command: the loop, the node, and what its answers mean."""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import uvloop

from archimage.cli.options import NO_LOGIN, Login
from archimage.cli.serve import load
from archimage.errors import ConfigError, OperationFailedError
from archimage.model.ids import is_ae_title
from archimage.net import reasons
from archimage.net.client import ClientAssociation, ClientSettings, connect
from archimage.net.conversation import RemoteNode
from archimage.protocol.items import RoleSelection, UserIdentity, UserIdentityType
from archimage.protocol.negotiation import PresentationContext
from archimage.protocol.status import is_failure
from archimage.tls.contexts import requestor

_SETTINGS: Final = ClientSettings(dimse_timeout_s=600.0)  # a peer may move a large study before it says a word

Result = TypeVar("Result")


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run work to its end on a loop of its own."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def node(called: str, host: str, port: int, *, tls: bool = False, login: Login = NO_LOGIN) -> RemoteNode:
    """Name a peer, which may be called with TLS, and by a user.

    Raises:
        ConfigError: called is no AE title, or the login none that may be sent.
    """
    context = requestor(load({})) if tls else None
    return RemoteNode(check_ae_title("-aec", called), host, port, context, _identity(login, tls=tls))


def _identity(login: Login, *, tls: bool) -> UserIdentity | None:
    """Return what tells the user, as PS3.7 §D.3.3.7 has it."""
    if login.jwt_file is not None:
        if login.user is not None or login.passcode_file is not None:
            raise ConfigError("--jwt-file stands alone: a token tells the user, and proves it")
        return UserIdentity(UserIdentityType.JWT, _secret(login.jwt_file))
    if login.passcode_file is None:
        return None if login.user is None else UserIdentity(UserIdentityType.USERNAME, login.user.encode())
    if login.user is None:
        raise ConfigError("--passcode-file needs --user, whose passcode it is")
    if not tls:
        raise ConfigError("--passcode-file needs --tls: a passcode is not sent in the clear")
    return UserIdentity(UserIdentityType.USERNAME_AND_PASSCODE, login.user.encode(), _secret(login.passcode_file))


def _secret(file: Path) -> bytes:
    """Read a secret, without the end of its line."""
    try:
        return file.read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None


def check_ae_title(option: str, title: str) -> str:
    """Return title, or raise ConfigError."""
    if not is_ae_title(title):
        raise ConfigError(f"{option} {title!r}: an AE title is 1 to 16 printable ASCII characters, no backslash")
    return title


async def associate(
    peer: RemoteNode, calling: str, contexts: Sequence[PresentationContext], roles: Sequence[RoleSelection] = ()
) -> ClientAssociation:
    """Open an association with the patience that a person at a terminal has."""
    check_ae_title("-aet", calling)
    return await connect(peer, calling_ae_title=calling, contexts=contexts, roles=roles, settings=_SETTINGS)


def check_status(peer: RemoteNode, status: int) -> None:
    """Raise OperationFailedError when status is a failure."""
    if is_failure(status):
        why, next_step = reasons.status(status)
        raise OperationFailedError(f"{peer} answers {why}", status=status, next_step=next_step)
