"""Structured content, codes, annotations and overlays, with their options and without."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from pydicom.dataset import Dataset

from archimage.dicom.deidentify.options import Option
from tests.dicom.deidentify.cleaning import cleaned, texts


def coded(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def content(value_type: str, name: tuple[str, str, str], **values: object) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType, item.ConceptNameCodeSequence = "CONTAINS", value_type, [coded(*name)]
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def report() -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.PatientName = "1.2.840.10008.5.1.4.1.1.88.33", "Zzname^Zzgiven"
    inner = content("TEXT", ("121106", "DCM", "Comment"), TextValue="Zzname has a nodule in the left lung")
    dataset.ContentSequence = [
        content("TEXT", ("121022", "DCM", "Accession Number"), TextValue="zz4711"),
        content("PNAME", ("121008", "DCM", "Person Observer Name"), PersonName="Zzreader^Rita"),
        content("TEXT", ("121071", "DCM", "Finding"), TextValue="Zzother with nodule of 5 mm"),
        content("TEXT", ("121013", "DCM", "Device Observer Name"), TextValue="zzscanner 7"),
        content("CODE", ("121058", "DCM", "zz procedure"), ConceptCodeSequence=[coded("77477000", "SCT", "zzct")]),
        content("CONTAINER", ("126010", "DCM", "Imaging Measurements"), ContentSequence=[inner]),
        content("UIDREF", ("121012", "DCM", "Device Observer UID"), UID="1.2.3.4"),
    ]
    return dataset


def test_without_the_option_the_content_is_one_item_that_says_nothing() -> None:
    result = cleaned(report())
    assert [item.TextValue for item in result.ContentSequence] == ["REMOVED"]


def test_content_items_of_the_table_go_and_of_others_the_known_words_stay() -> None:
    result = cleaned(report(), Option.CLEAN_STRUCTURED_CONTENT, Option.CLEAN_DESCRIPTORS)
    assert "zz" not in texts(result).casefold()
    values = [item.get("TextValue") for item in result.ContentSequence if item.ValueType == "TEXT"]
    assert values == ["with nodule of 5 mm"]
    person, code, container = (result.ContentSequence[number] for number in (0, 2, 3))
    assert person.PersonName == "REMOVED^"
    assert code.ConceptNameCodeSequence[0].CodeMeaning == "Procedure reported"
    assert code.ConceptCodeSequence[0].CodeValue == "77477000"
    assert container.ContentSequence[0].TextValue == "has a nodule in the left lung"


def test_device_observers_stay_where_their_identity_is_to_stay() -> None:
    options = (Option.CLEAN_STRUCTURED_CONTENT, Option.RETAIN_DEVICE_IDENTITY)
    kept = [item.get("TextValue") for item in cleaned(report(), *options).ContentSequence]
    assert "zzscanner 7" in kept
    assert "zz4711" not in kept


def test_codes_of_a_local_scheme_keep_their_value_and_lose_what_nobody_knows_of_their_meaning() -> None:
    dataset = Dataset()
    dataset.PatientName = "Zzname"
    dataset.ConceptNameCodeSequence = [
        coded("CT-7", "99LOCAL", "CT of Zzyzx chest"),
        coded("Mr Zzname", "99ZZNAME", "Zzyzx"),
        coded("mm", "UCUM", "mm"),
    ]
    result = cleaned(dataset).ConceptNameCodeSequence
    first, second, unit = ((item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning) for item in result)
    assert first == ("CT-7", "99LOCAL", "CT of chest")
    assert second[0] == second[2] == "REMOVED"
    assert "ZZNAME" not in second[1]
    assert unit == ("mm", "UCUM", "mm")


def annotated() -> Dataset:
    text = Dataset()
    text.UnformattedTextValue = "Zzname 3 mm nodule"
    line = Dataset()
    line.GraphicType, line.GraphicData = "POLYLINE", [1.0, 2.0, 3.0, 4.0]
    annotation = Dataset()
    annotation.GraphicLayer, annotation.TextObjectSequence, annotation.GraphicObjectSequence = "LAYER1", [text], [line]
    dataset = Dataset()
    dataset.GraphicAnnotationSequence = [annotation, annotation]
    return dataset


def test_graphic_annotations_are_one_that_says_nothing_or_lines_with_cleaned_text() -> None:
    (dull,) = cleaned(annotated()).GraphicAnnotationSequence
    assert (dull.GraphicLayer, dull.TextObjectSequence[0].UnformattedTextValue) == ("LAYER1", "REMOVED")
    assert "GraphicObjectSequence" not in dull
    kept = cleaned(annotated(), Option.CLEAN_GRAPHICS, Option.CLEAN_DESCRIPTORS).GraphicAnnotationSequence
    assert len(kept) == 2
    assert kept[0].TextObjectSequence[0].UnformattedTextValue == "3 mm nodule"
    assert list(kept[0].GraphicObjectSequence[0].GraphicData) == [1.0, 2.0, 3.0, 4.0]


def overlaid(text: str) -> Dataset:
    """An overlay of a circle, and of a text."""
    picture = Image.new("1", (256, 128))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((150, 40, 220, 110), outline=1)
    draw.text((5, 5), text, fill=1, font=ImageFont.load_default(16))
    dataset = Dataset()
    for tag, vr, value in (
        (0x60000010, "US", 128),
        (0x60000011, "US", 256),
        (0x60000040, "CS", "G"),
        (0x60000050, "SS", [1, 1]),
        (0x60000100, "US", 1),
        (0x60000102, "US", 0),
        (0x60001500, "LO", "Zzname"),
        (0x60003000, "OW", np.packbits(np.array(picture), bitorder="little").tobytes()),
        (0x60004000, "LT", "Zzname"),
        (0x50000010, "US", 5),
    ):
        dataset.add_new(tag, vr, value)
    return dataset


def test_overlays_go_with_all_that_describes_them_unless_no_letters_are_in_them() -> None:
    assert list(cleaned(overlaid(""))) == []
    assert list(cleaned(overlaid("Zzname"), Option.CLEAN_GRAPHICS)) == []
    kept = cleaned(overlaid(""), Option.CLEAN_GRAPHICS)
    assert 0x60003000 in kept
    assert 0x60004000 not in kept
    assert 0x50000010 not in kept
    assert "Zzname" not in texts(kept)


def test_an_overlay_that_cannot_be_read_is_not_clean() -> None:
    dataset = overlaid("")
    del dataset[0x60000010]
    assert 0x60003000 not in cleaned(dataset, Option.CLEAN_GRAPHICS)
