"""What the audit trail hears of who proved, or could not prove, who he is, and of what that is proved by.

Ref: PS3.15 §A.5.3.14 (Security Alert), §A.5.3.15 (User Authentication).
"""

from archimage.model import audit, callers
from archimage.model.audit import AuditEvent, Code, Participant
from archimage.ports.audit import AuditSink
from archimage.services.audit_messages import Messages, person


class IdentityAudit:
    """Tells a sink; nothing of it blocks."""

    def __init__(self, sink: AuditSink, messages: Messages) -> None:
        self._sink = sink
        self._messages = messages

    def login(self, user: str, address: str, failure: str = "") -> None:
        """Tell that somebody has proved who he is, or why he has not."""
        self._authentication(audit.LOGIN, user, address, failure)

    def logout(self, user: str, address: str) -> None:
        """Tell that somebody has logged out."""
        self._authentication(audit.LOGOUT, user, address, "")

    def roles(self, what: str) -> None:
        """Tell that whoever asks has a user entered, removed, or given other roles."""
        self._alert(audit.SECURITY_ROLES, what)

    def attributes(self, what: str) -> None:
        """Tell that whoever asks has changed what somebody proves by who he is: passwords, tokens, shares."""
        self._alert(audit.USER_SECURITY_ATTRIBUTES, what)

    def _alert(self, kind: Code, what: str) -> None:
        self._tell(self._messages.alert(kind, person(callers.current()), what))

    def _authentication(self, kind: Code, user: str, address: str, failure: str) -> None:
        who = Participant(user or address or "anonymous", requestor=True, address=address)
        self._tell(self._messages.authentication(kind, who, failure))

    def _tell(self, event: AuditEvent) -> None:
        self._sink.record(lambda: [event])
