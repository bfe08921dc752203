"""Verification: answers C-ECHO (PS3.4 Annex A)."""

from collections.abc import AsyncGenerator

from archimage.net.dispatch import Request, Response, ServiceClass
from archimage.protocol.command import CommandField
from archimage.protocol.negotiation import SupportedContext
from archimage.protocol.status import Status
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, VERIFICATION


def service() -> ServiceClass:
    """Make the service."""
    context = SupportedContext(VERIFICATION, (IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN))
    return ServiceClass((context,), {(VERIFICATION, CommandField.C_ECHO_RQ): _echo})


async def _echo(_request: Request) -> AsyncGenerator[Response, None]:
    yield Response(Status.SUCCESS)
