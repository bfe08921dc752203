"""A server in the test's own loop, with services of the test's making, and peers that misbehave."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from archimage.net.admission import AdmissionPolicy
from archimage.net.client import ClientAssociation, ClientSettings, connect
from archimage.net.conversation import RemoteNode
from archimage.net.dispatch import Handler, Registry, ServiceClass
from archimage.net.proposals import for_services
from archimage.net.scp import verification
from archimage.net.server import DicomServer, bind
from archimage.protocol.association import AssociationSettings
from archimage.protocol.command import CommandField
from archimage.protocol.negotiation import SupportedContext
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN, VERIFICATION

QUICK = ClientSettings(connect_timeout_s=2, acse_timeout_s=0.3, dimse_timeout_s=0.3, write_timeout_s=2)
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(sop_class_uid: str = "", **handlers: Handler) -> AsyncGenerator[RemoteNode, None]:
    """Serve Verification and, for one SOP class, handlers by the name of their command field."""
    fields: dict[tuple[str, int], Handler] = {
        (sop_class_uid, CommandField[name]): handler for name, handler in handlers.items()
    }
    context = SupportedContext(sop_class_uid, (EXPLICIT_VR_LITTLE_ENDIAN,))
    registry = Registry(verification.service(), ServiceClass((context,), fields))
    server = DicomServer(AssociationSettings("SERVER"), registry, AdmissionPolicy(frozenset({"SERVER"})))
    listener = bind("127.0.0.1", 0, shared=False)
    await server.listen(listener)
    try:
        yield RemoteNode("SERVER", *listener.getsockname())
    finally:
        await server.close()


@asynccontextmanager
async def misbehaving(talk: Talk) -> AsyncGenerator[RemoteNode, None]:
    """Listen, and treat every connection as talk does; wait at the end until every peer has left."""
    talks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        with suppress(ConnectionError):
            await talk(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        yield RemoteNode("ODD", *server.sockets[0].getsockname())
        async with asyncio.timeout(5):
            await asyncio.gather(*talks)


async def associate(
    node: RemoteNode, *sop_class_uids: str, settings: ClientSettings | None = None
) -> ClientAssociation:
    """Associate for Verification and these SOP classes."""
    contexts = for_services(VERIFICATION, *sop_class_uids)
    return await connect(node, calling_ae_title="CLIENT", contexts=contexts, settings=settings)
