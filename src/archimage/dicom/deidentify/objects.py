"""All of it for one object: its header cleaned and marked, and what is to be done with its frames (PS3.15 §E.1, §E.3).

What cannot be made safe is refused: documents of another format, videos, images that say that identifiers are burned in
and of which no rule tells where.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydicom.dataset import Dataset

from archimage import __version__
from archimage.dicom.codecs.syntaxes import VIDEO
from archimage.dicom.deidentify.attributes import AttributeCleaner
from archimage.dicom.deidentify.frames import FrameCleaning
from archimage.dicom.deidentify.options import BASIC_PROFILE, CODES, Option
from archimage.dicom.deidentify.placement import Slice
from archimage.dicom.deidentify.pseudonyms import Pseudonyms
from archimage.dicom.deidentify.regions import Blanking, RegionRule, blanking_of
from archimage.dicom.deidentify.shell import Removal, Shell
from archimage.dicom.deidentify.subjects import subject_of
from archimage.dicom.deidentify.targets import LOSSLESS
from archimage.dicom.encode import decode_identifier, encode_dataset
from archimage.dicom.layout import PIXEL_DATA
from archimage.dicom.limits import DEFAULT_LIMITS
from archimage.dicom.reencode import plain_syntax
from archimage.dicom.transcode import Transcoding
from archimage.errors import NotAcceptableError

_METHOD: Final = f"archimage {__version__}, PS3.15 Annex E 2026d"


@dataclass(frozen=True, slots=True)
class Profile:
    """How objects of a project are de-identified; shell is what goes of a head, None where its series is not known."""

    options: frozenset[Option]
    pseudonyms: Pseudonyms
    rules: Sequence[RegionRule] = ()
    shell: Shell | None = None


class Deidentification:
    """One object on its way to being somebody's no more.

    transcoding       gives the new data set, of frames that were cleaned
    cleaning          what is done with each frame; None where the frames are left alone
    sop_class_uid, sop_instance_uid, study_instance_uid   of the new object
    counts            how many attributes were removed, emptied, replaced and cleaned
    """

    def __init__(
        self, header: bytes, transfer_syntax_uid: str, pixel: tuple[int, str] | None, profile: Profile
    ) -> None:
        """Clean the header: a data set up to its pixel element, inflated; pixel is that element's tag and VR.

        Raises:
            NotAcceptableError: the object cannot be made safe.
            InvalidDatasetError, ExcessiveDatasetError: the header cannot be read.
            UnsupportedTransferSyntaxError: its transfer syntax is not known.
        """
        plain = plain_syntax(transfer_syntax_uid)
        dataset = decode_identifier(header, plain, DEFAULT_LIMITS)
        _refuse_documents(dataset, transfer_syntax_uid)
        looked_at = Option.CLEAN_PIXEL_DATA in profile.options and pixel is not None and pixel[0] == PIXEL_DATA
        blanking = blanking_of(dataset, profile.rules) if looked_at else None
        _refuse_burned_in(dataset, blanking, looked_at=looked_at)
        blanking = blanking or None
        unused = looked_at and _has_embedded_overlay(dataset)
        removal = _removal(dataset, pixel, profile)
        cleaner = AttributeCleaner(profile.options, profile.pseudonyms, subject_of(dataset))
        cleaner.clean(dataset)
        _mark(dataset, profile.options, cleaned=looked_at)
        changes = blanking is not None or unused or removal is not None
        target = LOSSLESS.get(transfer_syntax_uid, transfer_syntax_uid) if changes else transfer_syntax_uid
        self.transcoding = Transcoding(encode_dataset(dataset, plain), transfer_syntax_uid, target, None, pixel)
        self.target = target
        self.cleaning: FrameCleaning | None = None
        if looked_at and self.transcoding.frames is not None:
            self.cleaning = FrameCleaning(self.transcoding.frames, blanking, unused, removal)
        self.sop_class_uid = str(dataset.get("SOPClassUID") or "")
        self.sop_instance_uid = str(dataset.get("SOPInstanceUID") or "")
        self.study_instance_uid = str(dataset.get("StudyInstanceUID") or "")
        self.counts = cleaner.counts


def _refuse_documents(dataset: Dataset, transfer_syntax_uid: str) -> None:
    if "EncapsulatedDocument" in dataset:
        raise NotAcceptableError("it holds a document of another format, in which nobody can look for identifiers")
    if transfer_syntax_uid in VIDEO:
        raise NotAcceptableError("it is a video, whose frames cannot be looked at")


def _refuse_burned_in(dataset: Dataset, blanking: Blanking | None, *, looked_at: bool) -> None:
    if str(dataset.get("BurnedInAnnotation") or "").strip().upper() != "YES" or blanking is not None:
        return
    raise NotAcceptableError(
        "it says that identifiers are burned into its pixels, and "
        + ("no rule tells where" if looked_at else f"{Option.CLEAN_PIXEL_DATA} was not asked for")
    )


def _removal(dataset: Dataset, pixel: tuple[int, str] | None, profile: Profile) -> Removal | None:
    """Return what of its pixels belongs to a face; None where none does, or it was not asked for."""
    if Option.CLEAN_VISUAL_FEATURES not in profile.options:
        return None
    if profile.shell is None:
        raise NotAcceptableError("faces are removed of whole series alone, and this is an object by itself")
    one = Slice.of(dataset, pixel)
    if not profile.shell.of(one.placement, one.description.shape).any():
        return None
    return Removal(profile.shell, one.placement, one.air)


def _has_embedded_overlay(dataset: Dataset) -> bool:
    """Tell whether an overlay lies in bits of the pixels (retired; PS3.3-2004 §C.9.2)."""
    return any(
        dataset.get_item((group, 0x0102)) is not None and (group, 0x3000) not in dataset
        for group in range(0x6000, 0x6020, 2)
    )


def _mark(dataset: Dataset, options: frozenset[Option], *, cleaned: bool) -> None:
    """Say in the object what was done with it (PS3.15 §E.1.1 4, §E.3)."""
    used = [option for option in CODES if option in options]
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = _METHOD
    before = list(dataset.get("DeidentificationMethodCodeSequence") or ())
    there = {str(item.get("CodeValue")) for item in before}
    new = [_code(*code) for code in (BASIC_PROFILE, *(CODES[option] for option in used)) if code[0] not in there]
    dataset.DeidentificationMethodCodeSequence = before + new
    dataset.LongitudinalTemporalInformationModified = _temporal(options)
    if cleaned:
        dataset.BurnedInAnnotation = "NO"
    if Option.CLEAN_VISUAL_FEATURES in options:
        dataset.RecognizableVisualFeatures = "NO"


def _temporal(options: frozenset[Option]) -> str:
    if Option.RETAIN_FULL_DATES in options:
        return "UNMODIFIED"
    return "MODIFIED" if Option.RETAIN_MODIFIED_DATES in options else "REMOVED"


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item
