"""Presentation contexts that a requestor proposes for what it means to do.

Ref: PS3.8 §7.1.1.13, PS3.7 §D.3.3.4.
"""

from collections.abc import Iterable
from typing import Final

from archimage.errors import ContextNotAcceptedError
from archimage.protocol.items import RoleSelection
from archimage.protocol.negotiation import PresentationContext
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

MAX_CONTEXTS: Final = 128
UNCOMPRESSED: Final = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)


def propose(pairs: Iterable[tuple[str, tuple[str, ...]]]) -> tuple[PresentationContext, ...]:
    """Number pairs of abstract syntax and transfer syntaxes with odd ids from 1.

    Raises:
        ContextNotAcceptedError: there are more than 128, which no association can hold.
    """
    contexts = tuple(PresentationContext(2 * index + 1, *pair) for index, pair in enumerate(pairs))
    if len(contexts) > MAX_CONTEXTS:
        raise ContextNotAcceptedError(f"{len(contexts)} presentation contexts; an association holds {MAX_CONTEXTS}")
    return contexts


def for_services(*sop_class_uids: str) -> tuple[PresentationContext, ...]:
    """Propose SOP classes whose data sets we make ourselves."""
    return propose((uid, UNCOMPRESSED) for uid in sop_class_uids)


def for_storage(pairs: Iterable[tuple[str, str]]) -> tuple[PresentationContext, ...]:
    """Propose each pair of SOP class and transfer syntax in a context of its own, to send objects as they are.

    An acceptor chooses one transfer syntax of a context; so that it can take several, each gets its own.
    """
    return propose((sop_class, (syntax,)) for sop_class, syntax in dict.fromkeys(pairs))


def for_sending(pairs: Iterable[tuple[str, str]]) -> tuple[PresentationContext, ...]:
    """Propose pairs as `for_storage` does, and each SOP class in the uncompressed syntaxes that every node must take.

    An object is transcoded where its own pair is refused. There are at most two contexts for each pair.
    """
    wanted = dict.fromkeys(pairs)
    own = [(sop_class, (syntax,)) for sop_class, syntax in wanted]
    others = (
        (sop_class, tuple(syntax for syntax in UNCOMPRESSED if (sop_class, syntax) not in wanted))
        for sop_class in dict.fromkeys(sop_class for sop_class, _ in wanted)
    )
    return propose([*own, *((sop_class, syntaxes) for sop_class, syntaxes in others if syntaxes)])


def as_receiver(contexts: Iterable[PresentationContext]) -> tuple[RoleSelection, ...]:
    """Select the SCP role, which C-GET needs, for the SOP classes of contexts."""
    uids = dict.fromkeys(context.abstract_syntax for context in contexts)
    return tuple(RoleSelection(uid, scu_role=False, scp_role=True) for uid in uids)
