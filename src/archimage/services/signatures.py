"""Digital signatures of stored objects: looked at, and made in what is exported.

What is stored is never signed here: it stays as it came. A signature covers nearly all of an object, so that is read
whole; one at a time, which bounds the memory.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import orjson

from archimage.errors import ArchimageError, ConflictError, ExcessiveRequestError
from archimage.model.listings import Page
from archimage.model.signatures import CheckedSignature, SignatureResult, SignedInstance
from archimage.services.catalogue import CatalogueService
from archimage.services.frames import FrameService
from archimage.services.metadata import MetadataService

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from archimage.dicom.signatures import Signature
    from archimage.dicom.signers import Signer

MAX_BYTES: Final = 512 << 20
"""Of an object that is looked at, or signed: it is held in memory."""
_SIGNATURES: Final = "FFFAFFFA"
_RESULTS: Final[Mapping[str, SignatureResult]] = {"broken": "changed", "unknown": "unknown"}
_NOBODY: Final = "signatures.authorities names nobody who is trusted to certify signers"
_NOT_CERTIFIED: Final = (
    "none of the authorities that are trusted has issued the signer's certificate, or it did not hold at that time"
)


@dataclass(frozen=True, slots=True)
class Trust:
    """Who is trusted to certify signers, and who signs what is exported, if anybody does."""

    authorities: "Sequence[Certificate]" = ()
    signer: "Signer | None" = None


class SignatureService:
    """Checks and makes signatures; all of it blocks."""

    def __init__(
        self, catalogue: CatalogueService, frames: FrameService, metadata: MetadataService, trust: Trust
    ) -> None:
        self._catalogue = catalogue
        self._frames = frames
        self._metadata = metadata
        self._trust = trust
        self._turn = threading.Lock()

    @property
    def can_sign(self) -> bool:
        """Whether there is a key to sign with."""
        return self._trust.signer is not None

    def instance(self, sop_instance_uid: str) -> SignedInstance:
        """Check the signatures of an instance, which may have none.

        Raises:
            NotFoundError: it is not kept.
            ExcessiveRequestError: it is too large to be held in memory.
            DicomError: it cannot be parsed.
        """
        return SignedInstance(*self._uids(sop_instance_uid), self._checked(sop_instance_uid))

    def study(self, study_instance_uid: str, limit: int, offset: int) -> Page[SignedInstance]:
        """Check the signatures of those instances of a study that have any, by series and instance number.

        Raises:
            NotFoundError: no such study is kept.
        """
        uids = list(self._signed(study_instance_uid))
        items = [self._looked_at(uid) for uid in islice(uids, offset, offset + limit)]
        return Page(items, len(uids), limit, offset)

    def signed(self, file: bytes) -> bytes:
        """Return a DICOM file with a signature over all of its elements; one that has signatures stays as it is.

        Raises:
            InvalidDatasetError: its transfer syntax is none that is signed, or it cannot be parsed.
        """
        from archimage.dicom.part10 import decode_file_meta
        from archimage.dicom.signatures import sign  # with cryptography, which nobody else needs who only serves

        signer = self._trust.signer
        assert signer is not None  # noqa: S101 - whoever asks has looked at can_sign
        meta, offset = decode_file_meta(file)
        try:
            made = sign(memoryview(file)[offset:], meta.transfer_syntax_uid, signer.key, signer.certificate)
        except ConflictError:
            return file
        return file[:offset] + made

    def _signed(self, study_instance_uid: str) -> Iterator[str]:
        for series in self._metadata.series_uids(study_instance_uid):
            data_sets = orjson.loads(b"".join(self._metadata.series(study_instance_uid, series).json()))
            yield from (one["00080018"]["Value"][0] for one in data_sets if _is_signed(one))

    def _looked_at(self, sop_instance_uid: str) -> SignedInstance:
        uids = self._uids(sop_instance_uid)
        try:
            return SignedInstance(*uids, self._checked(sop_instance_uid))
        except ArchimageError as error:
            return SignedInstance(*uids, (), str(error))

    def _uids(self, sop_instance_uid: str) -> tuple[str, str, str]:
        found = self._catalogue.instance(sop_instance_uid)
        return found.study_instance_uid, found.series_instance_uid, found.sop_instance_uid

    def _checked(self, sop_instance_uid: str) -> Sequence[CheckedSignature]:
        from archimage.dicom.signatures import verify

        instance = self._frames.instance(None, None, sop_instance_uid)
        size = instance.size_bytes - instance.data_set_offset
        if size > MAX_BYTES:
            raise ExcessiveRequestError(
                f"it has {size} bytes; signatures are checked here of up to {MAX_BYTES}: retrieve it, and run "
                "`archimage signatures verify`"
            )
        with self._turn, self._frames.open(instance) as file:
            data = file.read(instance.data_set_offset, size)
            found = verify(data, instance.transfer_syntax_uid, self._trust.authorities)
        return [self._told(one) for one in found]

    def _told(self, found: "Signature") -> CheckedSignature:
        result, reason = _RESULTS.get(found.verdict), found.reason
        if result is None:
            result = "valid" if found.is_trusted else "untrusted"
            if not found.is_trusted:
                reason = _NOT_CERTIFIED if self._trust.authorities else _NOBODY
        return CheckedSignature(
            uid=found.uid,
            signer=found.signer,
            issuer=found.issuer,
            signed_at=found.signed_at,
            purpose=found.purpose,
            profile=found.profile,
            algorithm=found.algorithm,
            elements=len(found.signed),
            result=result,
            reason=reason,
        )


def _is_signed(data_set: Mapping[str, Any]) -> bool:
    """Tell whether a data set, as JSON, has a signature, or an item of a sequence in it."""
    if _SIGNATURES in data_set:
        return True
    sequences = (one.get("Value", ()) for one in data_set.values() if one["vr"] == "SQ")
    return any(_is_signed(item) for items in sequences for item in items)
