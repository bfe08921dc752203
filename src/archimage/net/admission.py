"""Who may connect and associate, and how many at once (PS3.8 §9.3.4 for the refusals)."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from archimage.errors import NotAuthenticatedError, StorageError, UnavailableError
from archimage.logger import logger
from archimage.model import callers
from archimage.model.access import Principal
from archimage.model.associations import AskedAssociation
from archimage.model.callers import Caller
from archimage.model.ids import is_ae_title
from archimage.net.associations import AssociationTable
from archimage.net.dispatch import Registry
from archimage.net.identity import Identified, IdentityPolicy, identify
from archimage.net.session import Session
from archimage.ports.meter import Rejection
from archimage.protocol.negotiation import negotiate
from archimage.protocol.pdu import AssociateRequest
from archimage.tls.certificates import FINGERPRINT

_log = logger("security")
_full = logger("association")

Refusal = tuple[int, int, int]
"""Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 Table 9-21)."""

_SUSPECT: Final = frozenset("/;&|$`<>\"'*?!(){}")
"""Characters that PS3.5 §6.2 allows in an AE title, and that mean something to a shell or in a path."""

NO_REASON: Final[Refusal] = (1, 1, 1)
CALLED_AE_TITLE: Final[Refusal] = (1, 1, 7)
CALLING_AE_TITLE: Final[Refusal] = (1, 1, 3)
CONGESTION: Final[Refusal] = (2, 3, 1)
LIMIT: Final[Refusal] = (2, 3, 2)


@dataclass(frozen=True, slots=True)
class _Refused:
    """A refusal, what it is counted as, and why it is one, in words."""

    answer: Refusal
    counted_as: Rejection
    why: str


def _everybody(_principal: Principal) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class AdmissionPolicy:
    """Limits and lists; an empty set of calling AE titles lets every harmless one in, called None every called one."""

    called_ae_titles: frozenset[str] | None
    calling_ae_titles: frozenset[str] = frozenset()
    max_associations: int = 256
    max_associations_per_ae: int = 0
    max_pending: int = 64
    max_pending_per_address: int = 16
    certificates: Mapping[str, str] = field(default_factory=dict)
    """Calling AE title to the certificate that it must come with: see `tls.certificates.PeerCertificate.is_called`."""
    may: Callable[[Principal], bool] = _everybody
    """Tells whether somebody may do anything at all."""
    identity: IdentityPolicy = field(default_factory=IdentityPolicy)
    vet: Callable[[AskedAssociation], str | None] | None = None
    """Returns why somebody is not let in whom nothing else keeps out; blocks. UnavailableError where it cannot tell."""


class Admission:
    """Counts connections and associations of one process."""

    def __init__(self, policy: AdmissionPolicy, registry: Registry, table: AssociationTable) -> None:
        """Admit by policy; what is open is entered in table."""
        self.policy = policy
        self._registry = registry
        self._table = table
        self._pending: OrderedDict[Session, str] = OrderedDict()
        self._admitted: dict[Session, str] = {}

    @property
    def pending(self) -> int:
        """How many connections have not asked for an association yet."""
        return len(self._pending)

    @property
    def admitted(self) -> int:
        """How many associations are open."""
        return len(self._admitted)

    @property
    def most_of_one(self) -> int:
        """How many of them the calling AE title has that has most."""
        return max(Counter([*self._admitted.values()]).values(), default=0)

    @property
    def most_pending_of_one(self) -> int:
        """How many connections of the first kind the address has that has most."""
        return max(Counter([*self._pending.values()]).values(), default=0)

    def connected(self, session: Session) -> None:
        """Take note of a new connection; beyond a limit the one that has been silent longest gives way to it."""
        address = session.connection.peer_address[0]
        same = [other for other, theirs in self._pending.items() if theirs == address]
        if len(same) >= self.policy.max_pending_per_address:
            self._evict(same[0])
        elif len(self._pending) >= self.policy.max_pending:
            self._evict(next(iter(self._pending)))
        self._pending[session] = address

    def ended(self, session: Session) -> None:
        """Forget a connection."""
        self._pending.pop(session, None)
        self._admitted.pop(session, None)
        self._table.ended(session)

    async def decide(self, session: Session, request: AssociateRequest) -> None:
        """Accept or reject the association that a session's peer asks for.

        It has its place among the associations already while it is looked at who the user is.
        """
        self._pending.pop(session, None)
        refused = self._refused(session) or self._over_limit(session.calling_ae_title)
        if refused is None:
            self._admitted[session] = session.calling_ae_title
            refused = await self._welcome(session, request)
        if refused is not None:
            self._admitted.pop(session, None)
            self._refuse(session, refused)

    async def _welcome(self, session: Session, request: AssociateRequest) -> _Refused | None:
        """Accept an association of somebody who may do something; return why not, if not."""
        try:
            found = await self._identify(session, request)
        except NotAuthenticatedError as error:
            return _Refused(NO_REASON, "user_identity", str(error))
        except (UnavailableError, StorageError) as error:
            return _Refused(CONGESTION, "user_identity", str(error))
        principal = found.principal
        if not self.policy.may(principal):
            user = f" as {principal.user!r}" if principal.user else ""
            named = f"the calling AE title {session.calling_ae_title!r} from {principal.address}{user}"
            return _Refused(CALLING_AE_TITLE, "calling_ae_title", f"{named} may do nothing here by the access policy")
        refused = await self._vetted(session, request, principal)
        if refused is not None:
            return refused
        contexts = negotiate(
            request.contexts, self._registry.contexts, request.user_information.roles, fallback=self._registry.fallback
        )
        extended = self._registry.agree(request.user_information.extended)
        session.association.accept(contexts, session.now, extended=extended, user_identity_response=found.response)
        callers.become(Caller("association", session.id, principal))
        self._table.opened(session, principal.user)
        return None

    async def _vetted(self, session: Session, request: AssociateRequest, principal: Principal) -> _Refused | None:
        """Return why whoever looks at associations refuses one."""
        if self.policy.vet is None:
            return None
        asked = AskedAssociation(
            session.calling_ae_title,
            session.called_ae_title,
            principal.address,
            principal.user,
            session.connection.encrypted,
            tuple(proposed.abstract_syntax for proposed in request.contexts),
        )
        try:
            why = await asyncio.to_thread(self.policy.vet, asked)
        except UnavailableError as error:
            return _Refused(CONGESTION, "plugin", str(error))
        return _Refused(NO_REASON, "plugin", why) if why else None

    async def _identify(self, session: Session, request: AssociateRequest) -> Identified:
        return await identify(
            self.policy.identity,
            request.user_information.user_identity,
            principal_of(session),
            encrypted=session.connection.encrypted,
            within_s=session.association.settings.artim_timeout_s,
        )

    def _refuse(self, session: Session, refused: _Refused) -> None:
        log = _full if refused.answer in {CONGESTION, LIMIT} else _log
        log.warning("association rejected", peer=session.peer, called=session.called_ae_title, reason=refused.why)
        self._table.refused(session, refused.counted_as, refused.why)
        session.association.reject(*refused.answer, session.now)

    def _refused(self, session: Session) -> _Refused | None:
        """Return why somebody is not let in, with the setting that it comes from."""
        policy = self.policy
        calling, called = session.calling_ae_title, session.called_ae_title
        named = f"the calling AE title {calling!r}"
        if not _is_let_in(calling, policy.calling_ae_titles):
            listed = "is not among dicom.allowed_calling_ae_titles"
            why = listed if policy.calling_ae_titles else "holds what no AE title should"
            return _Refused(CALLING_AE_TITLE, "calling_ae_title", f"{named} {why}")
        if not self._is_certified(session):
            other = session.connection.certificate is not None
            why = "comes with another certificate than" if other else "comes without the certificate that"
            return _Refused(CALLING_AE_TITLE, "calling_ae_title", f"{named} {why} tls.peers names for it")
        if not _is_let_in(called, policy.called_ae_titles):
            known = ", ".join(sorted(policy.called_ae_titles or ())) or "any AE title that is one"
            return _Refused(
                CALLED_AE_TITLE, "called_ae_title", f"it calls {called!r}, and this archive goes by {known}"
            )
        return None

    def _over_limit(self, calling: str) -> _Refused | None:
        policy = self.policy
        if len(self._admitted) >= policy.max_associations:
            why = f"{policy.max_associations} associations are open, as many as dicom.max_associations allows"
            return _Refused(LIMIT, "max_associations", why)
        if 0 < policy.max_associations_per_ae <= Counter(self._admitted.values())[calling]:
            why = (
                f"it has {policy.max_associations_per_ae} associations, as many as dicom.max_associations_per_ae allows"
            )
            return _Refused(CONGESTION, "max_associations_per_ae", why)
        return None

    def _is_certified(self, session: Session) -> bool:
        """Tell whether a peer has the certificate that its AE title must come with, if there is one."""
        wanted, certificate = self.policy.certificates.get(session.calling_ae_title), session.connection.certificate
        return wanted is None or (certificate is not None and certificate.is_called(wanted))

    def _evict(self, session: Session) -> None:
        del self._pending[session]
        session.connection.drop()


def _is_let_in(ae_title: str, listed: frozenset[str] | None) -> bool:
    """Tell whether an AE title is listed, or harmless where there is no list."""
    return ae_title in listed if listed else is_ae_title(ae_title) and _SUSPECT.isdisjoint(ae_title)


def principal_of(session: Session) -> Principal:
    """Return who a session's peer is, as far as its connection and its AE title tell."""
    connection = session.connection
    certificate = connection.certificate
    names = frozenset[str]() if certificate is None else certificate.names | {FINGERPRINT + certificate.fingerprint}
    return Principal(connection.peer_address[0], session.calling_ae_title, names)
