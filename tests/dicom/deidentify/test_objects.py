"""An object's header says what was done with it; what cannot be made safe is refused."""

import pytest
from pydicom.dataset import Dataset

from archimage.dicom.deidentify.objects import Deidentification, Profile
from archimage.dicom.deidentify.options import Option
from archimage.dicom.deidentify.pseudonyms import Pseudonyms
from archimage.dicom.deidentify.regions import parse_rules
from archimage.dicom.encode import decode_identifier, encode_dataset
from archimage.dicom.layout import PIXEL_DATA
from archimage.errors import NotAcceptableError
from tests.dicom.deidentify.cleaning import SECRET

EXPLICIT = "1.2.840.10008.1.2.1"
JPEG = "1.2.840.10008.1.2.4.50"
VIDEO = "1.2.840.10008.1.2.4.102"
RULES = parse_rules('[[rule]]\nmodality = "US"\nblank = [[0, 0, 8, 2]]')


def image() -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.Modality = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.3.4", "US"
    dataset.Rows = dataset.Columns = 8
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    return dataset


def made(dataset: Dataset, *options: Option, syntax: str = EXPLICIT, ruled: bool = False) -> Deidentification:
    profile = Profile(frozenset(options), Pseudonyms(SECRET), RULES if ruled else ())
    return Deidentification(encode_dataset(dataset, EXPLICIT), syntax, (PIXEL_DATA, "OB"), profile)


def header(made: Deidentification) -> Dataset:
    return decode_identifier(made.transcoding.head([10])[: -12 if made.target == EXPLICIT else -24], EXPLICIT)


@pytest.mark.parametrize(
    ("options", "dates"),
    [
        ((), "REMOVED"),
        ((Option.RETAIN_FULL_DATES,), "UNMODIFIED"),
        ((Option.RETAIN_MODIFIED_DATES, Option.RETAIN_UIDS), "MODIFIED"),
    ],
)
def test_the_header_says_by_which_options_it_was_made(options: tuple[Option, ...], dates: str) -> None:
    result = header(made(image(), *options))
    assert (result.PatientIdentityRemoved, result.LongitudinalTemporalInformationModified) == ("YES", dates)
    codes = {"RETAIN_FULL_DATES": "113106", "RETAIN_MODIFIED_DATES": "113107", "RETAIN_UIDS": "113110"}
    used = [item.CodeValue for item in result.DeidentificationMethodCodeSequence]
    assert used == ["113100", *(codes[option.name] for option in options)]
    assert "Annex E" in result.DeidentificationMethod
    assert "BurnedInAnnotation" not in result


def test_what_was_done_before_stays_said() -> None:
    before, item = image(), Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "113104", "DCM", "Clean Structured Content Option"
    before.DeidentificationMethodCodeSequence = [item]
    used = [item.CodeValue for item in header(made(before)).DeidentificationMethodCodeSequence]
    assert used == ["113104", "113100"]


def test_a_lossy_image_of_which_something_is_blanked_is_written_without_further_loss() -> None:
    result = made(image(), Option.CLEAN_PIXEL_DATA, syntax=JPEG, ruled=True)
    assert result.target == "1.2.840.10008.1.2.4.90"
    assert result.cleaning is not None
    assert result.cleaning.changes
    untouched = made(image(), Option.CLEAN_PIXEL_DATA, syntax=JPEG)
    assert untouched.target == JPEG
    assert untouched.cleaning is not None
    assert not untouched.cleaning.changes


def test_bits_are_cleared_where_an_overlay_lies_in_the_pixels() -> None:
    dataset = image()
    dataset.add_new(0x60000102, "US", 12)
    cleaning = made(dataset, Option.CLEAN_PIXEL_DATA).cleaning
    assert cleaning is not None
    assert cleaning.unused


def test_documents_videos_and_burned_in_names_are_refused() -> None:
    document = image()
    document.EncapsulatedDocument = b"%PDF"
    with pytest.raises(NotAcceptableError, match="document"):
        made(document)
    with pytest.raises(NotAcceptableError, match="video"):
        made(image(), syntax=VIDEO)
    named = image()
    named.BurnedInAnnotation = "YES"
    with pytest.raises(NotAcceptableError, match="no rule tells where"):
        made(named, Option.CLEAN_PIXEL_DATA)
    with pytest.raises(NotAcceptableError, match="was not asked for"):
        made(named, ruled=True)
    assert header(made(named, Option.CLEAN_PIXEL_DATA, ruled=True)).BurnedInAnnotation == "NO"
