"""Performed procedure steps and what is told of them, for the conformance statement."""

from archimage import errors
from archimage.errors import ArchimageError
from archimage.protocol.status import Status

CAUSES: tuple[tuple[type[ArchimageError] | Status, str], ...] = (
    (Status.SUCCESS, "The step is kept, was changed, or is given."),
    (Status.ATTRIBUTE_LIST_ERROR, "N-GET: the step has not all of the attributes; those that it has are given."),
    (Status.NO_SUCH_ATTRIBUTE, "N-SET changes what may not change after N-CREATE."),
    (Status.INVALID_ATTRIBUTE_VALUE, "A value does not fit its attribute, or the step does not begin IN PROGRESS."),
    (Status.MISSING_ATTRIBUTE, "An attribute of type 1 is not there."),
    (Status.MISSING_ATTRIBUTE_VALUE, "It has no value, or one that the final state needs has none."),
    (Status.DUPLICATE_SOP_INSTANCE, "There is a step of this SOP Instance UID."),
    (Status.NO_SUCH_SOP_INSTANCE, "There is none."),
    (Status.CLASS_INSTANCE_CONFLICT, "The request names another SOP class."),
    (Status.PROCESSING_FAILURE, "The step is final; Error ID is A710H."),
    (Status.RESOURCE_LIMITATION, "It refers to too many instances (Annex C)."),
    (errors.InvalidInstanceUIDError, "The SOP Instance UID is malformed."),
    (errors.InvalidDatasetError, "The data set cannot be read."),
    (errors.ExcessiveDatasetError, "The data set is beyond a limit (Annex C)."),
    (errors.StorageError, "The index does not answer."),
)
BEHAVIOUR = """
    Attributes are held to PS3.4 Table F.7.2-1; what of type 2 is left out is kept as empty, and what N-SET may not
    change may be told again as it was. States go from IN PROGRESS to COMPLETED or DISCONTINUED only. A step that is
    DISCONTINUED need not have performed series. Without an Affected SOP Instance UID the archive makes one. Reports
    are kept durably before they are answered, with what others are to hear of them.

    As an SCU the archive tells nodes of steps as they came (`mpps.forward`, N-CREATE and N-SET), and of instances
    that are here (`availability.notify`, Instance Availability Notification, N-CREATE); as an SCP of MPPS
    Notification, whose role it proposes on an association of its own, it sends N-EVENT-REPORT of types 1 to 4
    (`mpps.notify`). Each is tried for a day.
"""
