"""Whatever stands anywhere in a data set, nobody is to be found in what comes out."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from archimage.dicom.deidentify.options import Option
from archimage.errors import InvalidDatasetError
from tests.dicom.deidentify.cleaning import CT, cleaned, planted, texts, vr_of
from tests.dicom.invented import too_deep

FREE_TEXT = {"LO", "LT", "PN", "SH", "ST", "UC", "UT"}
KEPT = {Option.RETAIN_DEVICE_IDENTITY, Option.RETAIN_INSTITUTION_IDENTITY, Option.RETAIN_PATIENT_CHARACTERISTICS}
"""What these keep is kept as it is."""
ANY = st.sets(
    st.sampled_from([option for option in Option if option not in KEPT and option != Option.RETAIN_FULL_DATES])
)
TAGS = [
    0x00081030, 0x0008103E, 0x00102180, 0x00104000, 0x00181030, 0x00204000, 0x00321060, 0x00400254, 0x0040A160,
    0x00700081, 0x00081080, 0x00200060, 0x00401400, 0x00380300, 0x0040A504, 0x00189424, 0x00120050,
    0x00700006, 0x00400280, 0x00282000, 0x00420010, 0x00080104, 0x00620005, 0x30060026, 0x300A00C2, 0x00180015,
]  # fmt: skip
SEQUENCES = [0x00400275, 0x00081140, 0x0040A730, 0x00700001, 0x0040A043, 0x52009229, 0x00081115, 0x04000561, 0x0040A073]


@st.composite
def named(draw: st.DrawFn, depth: int = 4) -> Dataset:
    """A data set with a name in text of any kind, private text and sequences."""
    dataset = Dataset()
    for tag in draw(st.sets(st.sampled_from(TAGS), max_size=5)):
        if vr_of(tag) in FREE_TEXT:
            dataset.add_new(
                tag, vr_of(tag), draw(st.sampled_from(["Zzyzx", "for ZZYZX Q", "chest^zzyzx", "T1 Zzyzx_2"]))
            )
    if draw(st.booleans()):
        dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "LO", "Zzyzx")
        dataset.private_block(0x0019, "ZZYZX", create=True).add_new(0x0C, "IS", "5")
        dataset.private_block(0x0029, "Maker", create=True).add_new(1, "LO", "Zzyzx")
    for tag in draw(st.sets(st.sampled_from(SEQUENCES), max_size=2 if depth else 0)):
        dataset.add_new(tag, "SQ", [draw(named(depth - 1)) for _ in range(draw(st.integers(0, 2)))])
    return dataset


@given(named(), ANY)
def test_no_word_that_nobody_knows_survives_at_any_depth(dataset: Dataset, options: set[Option]) -> None:
    dataset.SOPClassUID = CT
    assert "zzyzx" not in texts(cleaned(dataset, *options)).casefold()


def test_whoever_is_named_is_looked_for_in_what_the_table_keeps() -> None:
    dataset = Dataset()
    dataset.PatientName, dataset.PatientID = "Brown^Mary^Ann", "4711-A"
    dataset.Manufacturer, dataset.SoftwareVersions = "Maker of 4711", ["V1 brown", "V2"]
    dataset.ProtocolName, dataset.BodyPartExamined, dataset.Modality = "brown chest", "BROWNCHEST", "CT"
    dataset.SequenceName = "se_Mary_2d"
    result = cleaned(dataset, Option.CLEAN_DESCRIPTORS)
    assert result.Manufacturer == "Maker of "
    assert result.SoftwareVersions == ["V1 ", "V2"]
    assert (result.ProtocolName, result.SequenceName, result.Modality) == ("chest", "se__2d", "CT")
    assert result.BodyPartExamined == "REMOVED"


def test_a_title_of_two_letters_is_no_reason_to_lose_words() -> None:
    dataset = Dataset()
    dataset.PatientName, dataset.SeriesDescription = "Zzname^Zzgiven^^MR^MD", "MR chest"
    assert cleaned(dataset, Option.CLEAN_DESCRIPTORS).SeriesDescription == "MR chest"


def test_of_descriptors_known_words_stay_and_numbers_with_their_units() -> None:
    dataset = Dataset()
    dataset.SeriesDescription = "T1W axial chest 3 mm, Dr Zzyzx 12.03.1975 room 1234 w/o contrast"
    assert cleaned(dataset, Option.CLEAN_DESCRIPTORS).SeriesDescription == "T1W axial chest 3 mm room contrast"


@pytest.mark.parametrize("vr", ["LO", "SH", "UT", "PN", "OB", "UN", "FD", "SQ", "UI", "DA"])
def test_private_attributes_go_whatever_they_are(vr: str) -> None:
    dataset = Dataset()
    dataset.private_block(0x0009, "GEMS_IDEN_01", create=True).add_new(1, vr, planted(vr))
    assert list(cleaned(dataset, Option.CLEAN_DESCRIPTORS)) == []


def test_safe_private_attributes_stay_with_their_creators_where_that_is_asked_for() -> None:
    dataset = Dataset()
    dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", "1000")
    dataset.private_block(0x0019, "SIEMENS MR HEADER").add_new(0x08, "CS", "ZZSMITH")
    dataset.private_block(0x0045, "GEMS_HELIOS_01", create=True).add_new(0x02, "LO", "zzsmith")
    dataset.private_block(0x7053, "Philips PET Private Group", create=True).add_new(0x09, "DS", "0.5")
    dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True).add_new(0x10, "OB", b"zz")
    dataset.private_block(0x0043, "GEMS_PARM_01", create=True).add_new(0x39, "UN", b"zzsmith ")
    result = cleaned(dataset, Option.RETAIN_SAFE_PRIVATE)
    assert [int(tag) for tag in result.keys()] == [0x00190010, 0x0019100C, 0x70530010, 0x70531009]  # noqa: SIM118


def test_what_has_no_vr_that_anybody_knows_goes() -> None:
    dataset = Dataset()
    dataset.add_new(0x00091235, "LO", "zz")
    dataset.add_new(0x00080071, "LO", "zz")
    assert list(cleaned(dataset)) == []


def test_a_value_that_is_not_what_its_vr_says_goes() -> None:
    dataset = Dataset()
    dataset.add_new(0x00080201, "SH", "Zzname")
    assert "TimezoneOffsetFromUTC" not in cleaned(dataset, Option.RETAIN_MODIFIED_DATES)
    dated = Dataset()
    dated.add_new(0x00080020, "DA", "Zzname")
    assert cleaned(dated, Option.RETAIN_FULL_DATES).StudyDate == "19000101"


def test_sequences_too_deep_inside_one_another_are_refused() -> None:
    with pytest.raises(InvalidDatasetError):
        cleaned(too_deep())


def test_uids_that_the_standard_defines_stay_and_others_go_wherever_they_are() -> None:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CT, "1.2.3.4"
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, "1.2.3.4"
    dataset.ReferencedImageSequence = [item]
    result = cleaned(dataset)
    assert (result.SOPClassUID, result.ReferencedImageSequence[0].ReferencedSOPClassUID) == (CT, CT)
    assert result.SOPInstanceUID == result.ReferencedImageSequence[0].ReferencedSOPInstanceUID
    assert result.SOPInstanceUID.startswith("2.25.")
    assert len(result.SOPInstanceUID) <= 64


def of_patient(patient: str, day: str) -> Dataset:
    dataset = Dataset()
    dataset.PatientID, dataset.PatientName, dataset.StudyDate = patient, "A^B", day
    dataset.AcquisitionDateTime, dataset.StudyTime = f"{day}101500.25+0100", "101500"
    return dataset


def test_dates_of_a_patient_are_moved_alike_and_those_of_another_otherwise() -> None:
    first, later, other = (
        cleaned(of_patient(patient, day), Option.RETAIN_MODIFIED_DATES)
        for patient, day in (("p1", "20240229"), ("p1", "20240331"), ("p2", "20240229"))
    )
    days = [date.fromisoformat(str(ds.StudyDate)) for ds in (first, later, other)]
    assert (days[1] - days[0]).days == 31
    assert days[0] < date(2024, 2, 29)
    assert days[0] != days[2]
    assert str(first.AcquisitionDateTime) == f"{first.StudyDate}101500.25+0100"
    assert first.StudyTime == "101500"


def test_pseudonyms_are_those_of_the_project() -> None:
    one, again, other = (cleaned(of_patient("p1", "20240229"), secret=secret) for secret in (b"a", b"a", b"b"))
    assert (one.PatientID, one.PatientName) == (again.PatientID, again.PatientName)
    assert one.PatientID != other.PatientID
    assert one.PatientName == f"Patient^{one.PatientID}"


def test_small_images_in_sequences_go_and_so_does_text_in_a_code_string() -> None:
    item, dataset = Dataset(), Dataset()
    item.Rows, item.PixelData = 8, bytes(64)
    item["PixelData"].VR = "OW"
    dataset.ReferencedImageSequence, dataset.BodyPartExamined = [item], "CHEST OF ZZNAME, ZZGIVEN"
    result = cleaned(dataset)
    assert "PixelData" not in result.ReferencedImageSequence[0]
    assert result.BodyPartExamined == "REMOVED"
