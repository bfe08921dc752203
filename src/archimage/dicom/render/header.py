"""An image's header, decoded once for all of its frames that are rendered one after the other."""

from functools import lru_cache

from pydicom.dataset import Dataset

from archimage.dicom.encode import decode_identifier
from archimage.dicom.limits import DEFAULT_LIMITS
from archimage.dicom.reencode import plain_syntax


@lru_cache(maxsize=2)
def decode_header(data: bytes, transfer_syntax_uid: str) -> Dataset:
    """Decode the data set before an image's pixels, inflated already where its transfer syntax is a deflated one.

    The last two are kept: a header of a thousand frames takes a tenth of a second. It is not to be changed, nor used by
    two threads at once.

    Raises:
        InvalidDatasetError: it cannot be parsed.
        ExcessiveDatasetError: a limit is passed.
        UnsupportedTransferSyntaxError: the transfer syntax is none of DICOM's.
    """
    return decode_identifier(data, plain_syntax(transfer_syntax_uid), DEFAULT_LIMITS)
