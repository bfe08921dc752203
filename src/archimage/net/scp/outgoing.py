"""In which form an object goes out, and its bytes: as they are stored, or transcoded or de-identified ahead.

Ref: PS3.4 §C.4.2.2.1, §C.4.3.2: what presentation contexts the receiver has accepted decides.
"""

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from archimage.buffers import BufferPool
from archimage.errors import ContextNotAcceptedError, DicomError, NotAcceptableError
from archimage.model.projects import Purpose
from archimage.model.records import StoredInstance
from archimage.net.reading import GROUP_ITEMS, ComingSource, Readable, ReadAhead, Source
from archimage.ports.storage import BlobReader
from archimage.protocol.negotiation import NegotiatedContext
from archimage.services.projects import ProjectService
from archimage.services.transcoding import TranscodingService, has_way, substitutes

if TYPE_CHECKING:
    from archimage.services.deidentification import Deidentified

MADE_AHEAD: Final = 4


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An instance, and the transfer syntax to send it in; None where the receiver takes none that it can be had in.

    With a purpose it is de-identified first, and only then known in which of the accepted transfer syntaxes it goes.
    preferred is one of these that it is to have if it can be had so; as it is stored it is taken too.
    """

    instance: StoredInstance
    transfer_syntax_uid: str | None
    purpose: Purpose | None = None
    accepted: frozenset[str] = frozenset()
    preferred: str = ""

    @property
    def is_made(self) -> bool:
        """Tell whether it is not sent as it is stored."""
        return self.purpose is not None or self.transfer_syntax_uid not in {None, self.instance.transfer_syntax_uid}


@dataclass(frozen=True, slots=True)
class Transcoder:
    """What makes objects of other transfer syntaxes, in threads of its own: those wait for worker processes."""

    service: TranscodingService
    executor: Executor


@dataclass(frozen=True, slots=True)
class Deidentifier:
    """What takes identifiers out of objects, in threads of its own: those wait for worker processes."""

    service: ProjectService
    executor: Executor


def plan(
    instances: Iterable[StoredInstance],
    contexts: Iterable[NegotiatedContext],
    purpose: Purpose | None = None,
    preferred: str = "",
) -> list[Outgoing]:
    """Choose for each instance: as it is stored if that was accepted, else what was accepted that loses nothing.

    With a purpose nothing is chosen yet, and all of it is de-identified. preferred is the transfer syntax that objects
    are to have where that was accepted and they can be had in it.
    """
    taken: dict[str, set[str]] = {}
    for context in contexts:
        if context.accepted and context.as_scu:
            taken.setdefault(context.abstract_syntax, set()).add(context.transfer_syntax)
    accepted = {uid: frozenset(syntaxes) for uid, syntaxes in taken.items()}
    none = frozenset[str]()
    if purpose is not None:
        return [Outgoing(one, None, purpose, accepted.get(one.sop_class_uid, none), preferred) for one in instances]
    return [_chosen(instance, accepted.get(instance.sop_class_uid, none), preferred) for instance in instances]


def _chosen(instance: StoredInstance, accepted: frozenset[str], preferred: str) -> Outgoing:
    stored = instance.transfer_syntax_uid
    if preferred in accepted and preferred != stored and has_way(stored, preferred):
        return Outgoing(instance, preferred, accepted=accepted, preferred=preferred)
    return Outgoing(instance, _choose(instance, accepted))


def _choose(instance: StoredInstance, accepted: frozenset[str]) -> str | None:
    if instance.transfer_syntax_uid in accepted:
        return instance.transfer_syntax_uid
    return next(iter(substitutes(instance.transfer_syntax_uid, accepted)), None)


class Opens(Protocol):
    """Opens what is kept; `services.retrieve` implements it."""

    def open(self, instance: StoredInstance) -> BlobReader:
        """Open what is stored of an instance; BlobNotFoundError where it is gone."""


class Outbound:
    """Opens what was planned, in its order and ahead."""

    def __init__(
        self,
        retrieves: Opens,
        executor: Executor,
        transcoder: Transcoder | None,
        deidentifier: Deidentifier | None = None,
    ) -> None:
        self._retrieves = retrieves
        self._executor = executor
        self._transcoder = transcoder
        self._deidentifier = deidentifier
        self._buffers = BufferPool()

    def ahead(self, planned: Sequence[Outgoing], receiver: str, stopped: asyncio.Event) -> ReadAhead[Outgoing]:
        """Return what reads planned for a receiver, until it is stopped; of what has to be made only a few at once."""

        def open_source(outgoing: Outgoing) -> Readable:
            return self._open(outgoing, receiver, stopped)

        few = any(outgoing.is_made for outgoing in planned)
        return ReadAhead(open_source, self._executor, MADE_AHEAD if few else GROUP_ITEMS)

    def _open(self, outgoing: Outgoing, receiver: str, stopped: asyncio.Event) -> Readable:
        if outgoing.purpose is not None:
            return self._deidentified(outgoing, outgoing.purpose, stopped)
        instance, target, transcoder = outgoing.instance, outgoing.transfer_syntax_uid, self._transcoder
        if target == instance.transfer_syntax_uid:
            return Source(self._retrieves.open(instance), instance.data_set_offset, self._executor, self._buffers)
        if target is None or transcoder is None:
            kind = f"SOP class {instance.sop_class_uid} in transfer syntax {instance.transfer_syntax_uid}"
            raise ContextNotAcceptedError(f"{receiver} does not take {kind}, nor in one that it could be given in")
        return ComingSource(transcoder.executor.submit(self._transcode, transcoder, outgoing, target), stopped)

    def _transcode(self, transcoder: Transcoder, outgoing: Outgoing, target: str) -> Source:
        instance = outgoing.instance
        try:
            made = transcoder.service.transcode(instance, target)
        except (NotAcceptableError, DicomError):
            if not outgoing.preferred or instance.transfer_syntax_uid not in outgoing.accepted:
                raise
            return self._source(self._retrieves.open(instance), instance.data_set_offset, instance)
        return self._source(made.file, made.data_set_offset)

    def _deidentified(self, outgoing: Outgoing, purpose: Purpose, stopped: asyncio.Event) -> Readable:
        deidentifier = self._deidentifier
        if deidentifier is None:
            raise NotAcceptableError("nothing here takes identifiers out, as the receiver is to have it")

        def make() -> Source:
            made = _given(deidentifier.service, outgoing, purpose)
            return self._source(made.file, made.instance.data_set_offset, made.instance)

        return ComingSource(deidentifier.executor.submit(make), stopped)

    def _source(self, file: BlobReader, offset: int, made: StoredInstance | None = None) -> Source:
        try:
            return Source(file, offset, self._executor, self._buffers, made)
        except BaseException:
            file.close()
            raise


def _given(projects: ProjectService, outgoing: Outgoing, purpose: Purpose) -> "Deidentified":
    """De-identify an object, in the transfer syntax that it is to have if there is a way to that."""
    if outgoing.preferred in outgoing.accepted:
        try:
            return projects.given(outgoing.instance, purpose, {outgoing.preferred})
        except (NotAcceptableError, ContextNotAcceptedError, DicomError):
            pass  # it may go in another one
    return projects.given(outgoing.instance, purpose, outgoing.accepted)
