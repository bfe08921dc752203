"""Values put right in a header: in any encoding and character set, and nothing else is touched."""

from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_charset_files
from pydicom.dataset import Dataset

from archimage.dicom.correction import Edit, Modification, corrected, texts_at
from archimage.dicom.encode import encode_dataset
from archimage.dicom.part10 import FileMeta, decode_file_meta, encode_file_meta
from archimage.dicom.reencode import elements_at
from archimage.errors import InvalidDatasetError, UnsupportedTransferSyntaxError

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
HOW = Modification("20260101120000.000000+0000", "PACS_SCP", "MODALITY", "COERCE")
NAME = 0x00100010
CHARSETS = sorted(Path(name) for name in get_charset_files("*.dcm"))


def read(data: bytes, syntax: str) -> pydicom.Dataset:
    """Read a data set with pydicom."""
    return pydicom.dcmread(BytesIO(encode_file_meta(FileMeta("1", "2", syntax)) + data))


def made(**values: object) -> Dataset:
    """Make a data set."""
    dataset = Dataset()
    for keyword, value in {"PatientName": "Demo^Old", "PatientID": "1", "Rows": 3, **values}.items():
        setattr(dataset, keyword, value)
    return dataset


def change(data: bytes, syntax: str, text: str, *, tag: int = NAME, vr: str = "PN", stays: bool = True) -> bytes:
    """Give an attribute another text."""
    found = corrected(data, syntax, [Edit(tag, vr, text, stays)], (), HOW)
    assert found is not None
    return found


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG])
def test_a_value_is_put_right_and_what_it_was_is_told(syntax: str) -> None:
    before = made()
    block = before.private_block(0x0011, "ARCHIMAGE TEST", create=True)
    block.add_new(0x01, "OB", b"\1\2\3\4")
    after = read(change(encode_dataset(before, syntax), syntax, "Demo^New"), syntax)
    assert (after.PatientName, after.PatientID, after.Rows, after[0x0011, 0x1001].value) == (
        "Demo^New",
        "1",
        3,
        b"\1\2\3\4",
    )
    (item,) = after.OriginalAttributesSequence
    assert [(one.PatientName, len(one)) for one in item.ModifiedAttributesSequence] == [("Demo^Old", 1)]
    assert item.AttributeModificationDateTime == HOW.moment
    assert (item.ModifyingSystem, item.SourceOfPreviousValues) == ("PACS_SCP", "MODALITY")
    assert item.ReasonForTheAttributeModification == "COERCE"
    assert [element.tag for element in after] == sorted(element.tag for element in after)


def test_an_item_is_added_to_those_that_are_there() -> None:
    once = change(encode_dataset(made(), EXPLICIT), EXPLICIT, "Demo^Once")
    twice = read(change(once, EXPLICIT, "Demo^Twice"), EXPLICIT)
    names = [str(item.ModifiedAttributesSequence[0].PatientName) for item in twice.OriginalAttributesSequence]
    assert names == ["Demo^Old", "Demo^Once"]


def test_what_was_absent_or_empty_is_told_as_such() -> None:
    data = encode_dataset(made(PatientSex=""), EXPLICIT)
    edits = [Edit(0x00100040, "CS", "F", True), Edit(0x00104000, "LT", "new")]
    found = corrected(data, EXPLICIT, edits, (), HOW)
    assert found is not None
    (before,) = read(found, EXPLICIT).OriginalAttributesSequence[0].ModifiedAttributesSequence
    assert [(element.keyword, element.value) for element in before] == [("PatientSex", ""), ("PatientComments", "")]


def test_a_value_is_taken_away_or_emptied_as_its_type_asks() -> None:
    data = encode_dataset(made(PatientComments="c"), EXPLICIT)
    found = corrected(data, EXPLICIT, [Edit(NAME, "PN", "", True), Edit(0x00104000, "LT", "")], (), HOW)
    assert found is not None
    after = read(found, EXPLICIT)
    assert after.PatientName == ""
    assert "PatientComments" not in after


def test_sequences_can_be_dropped_and_are_kept_in_the_record() -> None:
    inner = Dataset()
    inner.PatientID = "OTHER"
    data = encode_dataset(made(OtherPatientIDsSequence=[inner]), BIG)
    found = corrected(data, BIG, [], (0x00101002, 0x00101060), HOW)
    assert found is not None
    after = read(found, BIG)
    assert "OtherPatientIDsSequence" not in after
    (before,) = after.OriginalAttributesSequence[0].ModifiedAttributesSequence
    assert [one.PatientID for one in before.OtherPatientIDsSequence] == ["OTHER"]
    assert len(before) == 1


def test_what_is_right_already_is_left_alone() -> None:
    data = encode_dataset(made(), EXPLICIT)
    edits = [Edit(NAME, "PN", "Demo^Old", True), Edit(0x00104000, "LT", "")]
    assert corrected(data, EXPLICIT, edits, (0x00101002,), HOW) is None
    assert texts_at(data, EXPLICIT, {NAME: "PN", 0x00104000: "LT"}) == {NAME: "Demo^Old"}


@pytest.mark.parametrize("path", CHARSETS, ids=lambda path: path.stem)
@pytest.mark.parametrize("name", ["Demo^New", "Дэмо^Имя=山田^太郎", "Ἔρως^ሰላም"])
def test_a_name_of_any_script_goes_into_an_object_of_any_character_set(path: Path, name: str) -> None:
    file = path.read_bytes()
    meta, start = decode_file_meta(file)
    before, syntax = pydicom.dcmread(path), meta.transfer_syntax_uid
    after = read(change(file[start:], syntax, name), syntax)
    assert str(after.PatientName) == name
    (record,) = after.OriginalAttributesSequence[-1].ModifiedAttributesSequence
    assert str(record.get("PatientName", "")) == str(before.get("PatientName", ""))
    assert _texts(after) == _texts(before)


def _texts(dataset: Dataset, *, top: bool = True) -> list[tuple[int, str]]:
    """Return all that is told, in their order, but for what was changed and character sets."""
    left_out = {NAME, 0x04000561} if top else set()
    return [
        text
        for one in dataset
        if one.tag not in {*left_out, 0x00080005} and one.tag.element
        for text in (
            [text for item in one.value for text in _texts(item, top=False)]
            if one.VR == "SQ"
            else [(int(one.tag), str(one.value))]
        )
    ]


def test_all_text_becomes_utf_8_where_the_name_needs_it() -> None:
    inner = Dataset()
    inner.SpecificCharacterSet = "ISO_IR 144"
    inner.CodeMeaning = "Имя"
    before = made(SpecificCharacterSet="ISO_IR 100", StudyDescription="Größe", ConceptNameCodeSequence=[inner])
    block = before.private_block(0x0011, "ARCHIMAGE TEST", create=True)
    block.add_new(0x01, "LO", "größer")
    data = change(encode_dataset(before, EXPLICIT), EXPLICIT, "山田^太郎")
    after = read(data, EXPLICIT)
    assert after.SpecificCharacterSet == "ISO_IR 192"
    assert (after.StudyDescription, after[0x0011, 0x1001].value) == ("Größe", "größer")
    (item,) = after.ConceptNameCodeSequence
    assert (item.SpecificCharacterSet, item.CodeMeaning) == ("ISO_IR 192", "Имя")
    assert "Größe".encode() in data
    assert "Größe".encode("latin-1") not in data
    (record,) = after.OriginalAttributesSequence[0].ModifiedAttributesSequence
    assert (record.SpecificCharacterSet, record.PatientName) == ("ISO_IR 100", "Demo^Old")


def test_text_that_nobody_can_read_is_not_made_worse() -> None:
    data = encode_dataset(made(SpecificCharacterSet="ISO_IR 138", PatientID="x"), EXPLICIT)
    data = data.replace(b"LO\x02\0x ", b"LO\x02\0\xff\xff")
    with pytest.raises(InvalidDatasetError, match=r"\(0010,0020\) has bytes that its character set lacks"):
        corrected(data, EXPLICIT, [Edit(NAME, "PN", "山田", True)], (), HOW)
    assert read(change(data, EXPLICIT, "Demo^New"), EXPLICIT).PatientName == "Demo^New"


def test_icons_within_sequences_stay_though_all_text_is_written_anew() -> None:
    icon = bytes.fromhex("e07f1000 4f420000 ffffffff feff00e0 00000000 feff00e0 02000000 0102 feffdde0 00000000")
    item = b"\xfe\xff\x00\xe0" + len(icon).to_bytes(4, "little") + icon
    sequence = bytes.fromhex("88000002 53510000") + len(item).to_bytes(4, "little") + item
    data = encode_dataset(made(), EXPLICIT) + sequence
    assert icon in change(data, EXPLICIT, "山田^太郎")


@pytest.mark.parametrize(("said", "written"), [(IMPLICIT, EXPLICIT), (EXPLICIT, IMPLICIT)])
def test_an_object_that_is_not_written_as_it_says_stays_so(said: str, written: str) -> None:
    data = encode_dataset(made(), written)
    assert read(change(data, said, "Demo^New"), written).PatientName == "Demo^New"
    with pytest.raises(InvalidDatasetError, match="not written as its transfer syntax says"):
        change(bytes.fromhex("00100010 00000002 4142"), BIG, "Demo^New")


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(InvalidDatasetError):
        change(encode_dataset(made(), EXPLICIT)[:-1], EXPLICIT, "Demo^New")
    with pytest.raises(UnsupportedTransferSyntaxError):
        elements_at(b"", "1.2.3", {NAME})
