"""Storage commitment, for the conformance statement."""

from archimage import errors
from archimage.errors import ArchimageError
from archimage.protocol.status import Status

CAUSES: tuple[tuple[type[ArchimageError] | Status, str], ...] = (
    (Status.SUCCESS, "The request is kept; its result will be told."),
    (Status.MISSING_ATTRIBUTE, "Transaction UID, Referenced SOP Sequence, or a UID of an item is not there."),
    (Status.MISSING_ATTRIBUTE_VALUE, "One of them is empty."),
    (Status.INVALID_ATTRIBUTE_VALUE, "A UID is malformed."),
    (Status.NO_SUCH_ACTION, "The action type is not 1."),
    (Status.NO_SUCH_SOP_INSTANCE, "The requested instance is not 1.2.840.10008.1.20.1.1."),
    (Status.DUPLICATE_TRANSACTION_UID, "The Transaction UID was used before."),
    (Status.RESOURCE_LIMITATION, "The request names too many objects, or too many wait already (Annex C)."),
    (errors.InvalidDatasetError, "The data set cannot be read."),
    (errors.ExcessiveDatasetError, "The data set is beyond a limit (Annex C)."),
    (errors.StorageError, "The index does not answer."),
)
BEHAVIOUR = """
    Push model. A request is kept durably before it is answered. Every object is then looked at: the row of the
    index, the SOP class, and the file, which is read and compared with the digest of what came
    (`commitment.verify`). The result is told by N-EVENT-REPORT on the association that asked, while that is open
    and no longer than `commitment.same_association_s`, else on an association to the node of the asker's AE
    title, on which the SCP role is proposed; it is tried for a day. Failure reasons are 0110H (the file is
    damaged), 0112H (no such object) and 0119H (another SOP class). On associations that it opens itself, the archive
    proposes Implicit VR Little Endian alone. As an SCU the archive asks nodes, waits for
    their result on the same association, and takes it (N-EVENT-REPORT) on associations that they open as well:
    from the AE title that was asked, about transactions that were asked; others are answered 0112H, other event
    types 0113H.
"""
