"""What a resource of the web side is, and what its handler is given.

The tuples `RESOURCES` of the modules beside this one are the one table from which `table` makes routes, `openapi` the
description, `capabilities` the answer to OPTIONS, and the conformance statement its list.

Ref: PS3.18 §8 (common aspects of web services).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, ParamSpec, TypeVar

from starlette.types import ASGIApp, Message, Scope

from archimage.errors import ExcessiveRequestError
from archimage.services.frames import FrameService
from archimage.services.metadata import MetadataService
from archimage.services.query import QueryService
from archimage.services.removal import RemovalService
from archimage.services.rendering import RenderingService
from archimage.services.signatures import SignatureService
from archimage.services.store import StoreService
from archimage.services.transcoding import TranscodingService
from archimage.services.ups_keeping import Procedures
from archimage.threads import WorkerThreads
from archimage.web.dicomweb.negotiation import Choice, Offer, choose
from archimage.web.dicomweb.parameters import Parameters
from archimage.web.receiving import TimedDirectReceive, TimedReceive

SERVICE_ROOT: Final = "/dicom-web"
MAX_BODY_BYTES: Final = 1 << 20
"""What a request may bring where its resource says nothing else."""

Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")


@dataclass(frozen=True, slots=True)
class WebServices:
    """The use cases that the resources stand on."""

    query: QueryService
    store: StoreService
    frames: FrameService
    metadata: MetadataService
    removal: RemovalService
    rendering: RenderingService
    transcoding: TranscodingService
    signatures: SignatureService
    procedures: Procedures


@dataclass(frozen=True, slots=True)
class Threads:
    """Threads for what blocks: quick for files and index, slow for what waits for worker processes."""

    quick: WorkerThreads
    slow: WorkerThreads


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter, as the description tells it; schema is JSON Schema."""

    name: str
    description: str
    schema: Mapping[str, object] = field(default_factory=lambda: {"type": "string"})


ACCEPT: Final = Parameter("accept", "A media type, in place of the Accept header.")


@dataclass(frozen=True, slots=True)
class Resource:
    """One method on one address.

    path is a template below root; `{study}`, `{series}`, `{instance}` and `{workitem}` are checked to be UIDs,
    `{name:path}` at the end takes all that is left, slashes too, and any other variable one segment. GET answers HEAD
    as well. produces and consumes are media types, `multipart/related; type="..."` where parts are; the first is the
    default. max_body_bytes None leaves the limit to the handler. reports_failures says that what it produces may come
    with a status of failure too.
    """

    name: str
    method: str
    path: str
    handler: "Handler"
    summary: str
    parameters: tuple[Parameter, ...] = ()
    produces: tuple[str, ...] = ()
    consumes: tuple[str, ...] = ()
    statuses: tuple[int, ...] = (200, 400, 404, 406)
    reports_failures: bool = False
    max_body_bytes: int | None = MAX_BODY_BYTES
    root: str = SERVICE_ROOT

    @property
    def address(self) -> str:
        """The template of its whole address."""
        return f"{self.root}{self.path}"


class DicomWebRequest:
    """A request as a handler sees it; what it reads from the peer is bounded."""

    __slots__ = ("_query", "_receive", "_threads", "base_url", "resource", "scope", "services", "slow", "variables")

    def __init__(  # noqa: PLR0913, PLR0917 - made in one place, on the hot path
        self,
        resource: Resource,
        variables: Mapping[str, str],
        scope: Scope,
        receive: TimedReceive,
        services: WebServices,
        threads: Threads,
        base_url: str,
    ) -> None:
        self.resource = resource
        self.variables = variables
        """Values of the path's variables."""
        self.scope = scope
        self.services = services
        self.base_url = base_url
        """Address of the service root as the client sees it, without a slash at the end."""
        self._receive = receive
        self.slow = False
        """Whether what blocks waits for worker processes."""
        self._threads = threads
        self._query: Parameters | None = None

    @property
    def method(self) -> str:
        """GET, HEAD, POST, ..."""
        return str(self.scope["method"])

    @property
    def query(self) -> Parameters:
        """Query parameters; InvalidRequestError or ExcessiveRequestError when they cannot be read."""
        if self._query is None:
            self._query = Parameters.parse(self.scope["query_string"])
        return self._query

    def header(self, name: str) -> str | None:
        """Return a header, its repetitions joined by commas; name in lower case."""
        wanted = name.encode("ascii")
        values = [value for key, value in self.scope["headers"] if key == wanted]
        return b", ".join(values).decode("latin-1") if values else None

    def choose(self, offers: tuple[Offer, ...]) -> Choice:
        """Return what the client likes best of offers; NotAcceptableError when it takes none."""
        return choose(self.header("accept"), self.query.joined("accept"), offers)

    async def run(
        self, work: Callable[Arguments, Returned], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Returned:
        """Do what blocks in a worker thread."""
        threads = self._threads.slow if self.slow else self._threads.quick
        return await threads.run(work, *args, **kwargs)

    def direct_body(self) -> TimedDirectReceive | None:
        """Have worker threads receive the body; None where that cannot be, or is of no use: then there are `chunks`."""
        return self._receive.direct(self.scope) if self.resource.max_body_bytes is None else None

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes.

        Raises:
            ExcessiveRequestError: it is longer than the resource takes.
            SlowRequestError: it comes too slowly.
            ConnectionFailedError: the client went away.
        """
        limit, read = self.resource.max_body_bytes, 0
        more = True
        while more:
            message: Message = await self._receive()
            if chunk := message.get("body", b""):
                read += len(chunk)
                if limit is not None and read > limit:
                    raise ExcessiveRequestError(f"the body is longer than {limit} bytes")
                yield chunk
            more = message.get("more_body", False)

    async def body(self) -> bytes:
        """Return the whole body."""
        return b"".join([chunk async for chunk in self.chunks()])


Handler = Callable[[DicomWebRequest], Awaitable[ASGIApp]]
"""Answers a request; errors of `archimage.errors` that it raises are answered by `errors.response`."""
