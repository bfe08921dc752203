"""What is stored elsewhere by STOW-RS as the audit trail hears of it: around what does it.

Ref: PS3.15 §A.5.3.3, §A.5.3.5.
"""

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from archimage.errors import ArchimageError
from archimage.model.attributes import Level
from archimage.model.callers import current
from archimage.model.projects import Purpose
from archimage.model.records import StoredInstance
from archimage.ports.routing import Stow
from archimage.services.audit import AuditService
from archimage.services.audit_messages import Peer, peer, person


class AuditedStow:
    """Implements `ports.routing.Stow`."""

    def __init__(self, stow: Stow, audit: AuditService) -> None:
        self._stow = stow
        self._audit = audit

    def __call__(
        self,
        address: str,
        instances: Sequence[StoredInstance],
        purpose: Purpose | None,
        transfer_syntax_uid: str,
        sent: Callable[[int], None],
    ) -> Mapping[str, str]:
        """Send instances, and tell of it."""
        uids = {Level.IMAGE: tuple(one.sop_instance_uid for one in instances)}
        there = Peer("", urlsplit(address).hostname or "") if "://" in address else Peer("", address)
        receiver = peer(there, requestor=False)
        self._audit.sending(receiver, uids)
        failure, failed = "it was not sent to its end", list[str]()
        try:
            problems = self._stow(address, instances, purpose, transfer_syntax_uid, sent)
            failed = list(problems)
            failure = f"{len(instances) - len(failed)} sent, {len(failed)} failed" if failed else ""
        except ArchimageError as error:
            failure = str(error)
            raise
        finally:
            is_anonymous = purpose is not None
            self._audit.sent(receiver, person(current()), uids, failed, failure, anonymized=is_anonymous)
        return problems
