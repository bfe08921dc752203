"""The Native DICOM Model says what the JSON does, and comes back; what is no such model is refused."""

import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from pydicom.dataset import Dataset

from archimage.dicom.encode import encode_dataset
from archimage.dicom.jsonmodel import Model, ModelLimits
from archimage.dicom.xml import NAMESPACE, model_xml, parse_xml
from archimage.errors import ExcessiveRequestError, InvalidRequestError
from tests.dicom.strategies import datasets
from tests.dicom.test_json import EXPLICIT, WHOLE, inflated_dataset
from tests.dicom.test_modelencode import model_of
from tests.interop.peers import tool

START = '<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">'


def xml(inner: str) -> bytes:
    """A document around attributes."""
    return f'<?xml version="1.0" encoding="UTF-8"?>{START}{inner}</NativeDicomModel>'.encode()


def attribute(inner: str, tag: str = "00091001", vr: str = "LO") -> bytes:
    return xml(f'<DicomAttribute tag="{tag}" vr="{vr}">{inner}</DicomAttribute>')


def comparable(model: Model) -> dict[str, Any]:
    """Leave out of names what ends them without saying anything, and of text what XML cannot hold."""
    return {
        tag: {**one, "Value": [comparable_value(one["vr"], value) for value in one.get("Value", ())]}
        for tag, one in model.items()
    }


def comparable_value(vr: str, value: Any) -> Any:
    if vr == "SQ":
        return comparable(value)
    if vr == "PN":
        return {group: name.rstrip("^") for group, name in (value or {}).items() if name.rstrip("^")}
    return (
        "".join("\ufffd" if ord(c) < 32 and c not in "\r\n\t" else c for c in value)
        if isinstance(value, str)
        else value
    )


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in WHOLE])
def test_every_real_file_comes_back_from_xml(path: Path) -> None:
    meta, data = inflated_dataset(path)
    model = model_of(data, meta.transfer_syntax_uid)
    assert comparable(parse_xml(model_xml(model))) == comparable(model)


@settings(max_examples=60, deadline=None)
@given(random=datasets())
def test_random_data_sets_come_back_from_xml(random: Dataset) -> None:
    model = model_of(encode_dataset(random, EXPLICIT), EXPLICIT)
    assert comparable(parse_xml(model_xml(model))) == comparable(model)


def test_a_document_is_what_the_standard_shows() -> None:
    model: Model = {
        "00080008": {"vr": "CS", "Value": ["A", None, "<&>\r"]},
        "00081140": {"vr": "SQ", "Value": [{}, {"00080060": {"vr": "CS"}}]},
        "00090010": {"vr": "LO", "Value": ["ME"]},
        "00091001": {"vr": "OB", "InlineBinary": "AA=="},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "A^B^^D", "Phonetic": "C"}]},
        "00420011": {"vr": "OB", "BulkDataURI": 'a"b'},
    }
    text = model_xml(model).decode()
    assert text.removeprefix('<?xml version="1.0" encoding="UTF-8"?>\n') == (
        f'<NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">'
        '<DicomAttribute tag="00080008" keyword="ImageType" vr="CS">'
        '<Value number="1">A</Value><Value number="2"/><Value number="3">&lt;&amp;&gt;&#13;</Value></DicomAttribute>'
        '<DicomAttribute tag="00081140" keyword="ReferencedImageSequence" vr="SQ"><Item number="1"></Item>'
        '<Item number="2"><DicomAttribute tag="00080060" keyword="Modality" vr="CS"></DicomAttribute></Item>'
        "</DicomAttribute>"
        '<DicomAttribute tag="00090010" vr="LO"><Value number="1">ME</Value></DicomAttribute>'
        '<DicomAttribute tag="00090001" privateCreator="ME" vr="OB"><InlineBinary>AA==</InlineBinary></DicomAttribute>'
        '<DicomAttribute tag="00100010" keyword="PatientName" vr="PN"><PersonName number="1">'
        "<Alphabetic><FamilyName>A</FamilyName><GivenName>B</GivenName><NamePrefix>D</NamePrefix></Alphabetic>"
        "<Phonetic><FamilyName>C</FamilyName></Phonetic></PersonName></DicomAttribute>"
        '<DicomAttribute tag="00420011" keyword="EncapsulatedDocument" vr="OB"><BulkData uri="a&quot;b"/>'
        "</DicomAttribute>"
        "</NativeDicomModel>"
    )
    assert parse_xml(text.encode()) == model


def test_blocks_of_one_creator_stay_apart() -> None:
    model = {
        tag: {"vr": "LO", "Value": [value]}
        for tag, value in {
            "00090010": "ME",
            "00090011": "ME",
            "00091001": "a",
            "00091101": "b",
            "000B1001": "c",
        }.items()
    }
    assert parse_xml(model_xml(model)) == model


def test_private_elements_get_a_block_that_is_free() -> None:
    document = xml(
        '<DicomAttribute tag="00090001" vr="LO" privateCreator="B"><Value>1</Value></DicomAttribute>'
        '<DicomAttribute tag="00090002" vr="LO" privateCreator="B"/>'
        '<DicomAttribute tag="00090010" vr="LO"><Value>A</Value></DicomAttribute>'
        '<DicomAttribute tag="00090003" vr="LO" privateCreator="A"/>'
        '<DicomAttribute tag="00092001" vr="LO" privateCreator="C"/>'
    )
    model = parse_xml(document)
    assert list(model) == ["00090010", "00090011", "00090020", "00091003", "00091101", "00091102", "00092001"]
    assert [model[tag]["Value"] for tag in ("00090010", "00090011", "00090020")] == [["A"], ["B"], ["C"]]


def test_values_come_by_their_number_and_as_numbers_where_they_are_some() -> None:
    values = '<Value number="2">1.50</Value>\n<Value number="4">x</Value>'
    assert parse_xml(attribute(values, vr="DS"))["00091001"]["Value"] == [None, 1.5, None, "x"]
    assert parse_xml(attribute("<Value>512</Value>", vr="US"))["00091001"]["Value"] == [512]
    assert parse_xml(attribute("<Value>18446744073709551615</Value>", vr="UV"))["00091001"]["Value"] == [(1 << 64) - 1]
    assert parse_xml(attribute('<Item number="2"/>', vr="SQ"))["00091001"]["Value"] == [{}, {}]


def test_other_encodings_of_xml_and_no_namespace_are_read() -> None:
    text = '<?xml version="1.0" encoding="ISO-8859-1"?><NativeDicomModel><DicomAttribute tag="00100020" vr="LO">'
    text += "<Value>é</Value></DicomAttribute></NativeDicomModel>"
    assert parse_xml(text.encode("latin-1")) == {"00100020": {"vr": "LO", "Value": ["é"]}}
    assert parse_xml(attribute('<BulkData uuid="u"/>', vr="OB")) == {"00091001": {"vr": "OB", "BulkDataURI": "u"}}


ENTITY = '<!DOCTYPE NativeDicomModel [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
LAUGHS = "<!DOCTYPE lolz [<!ENTITY a '" + "ha" * 9 + "'>" + "<!ENTITY b '" + "&a;" * 9 + "'>]>"


@pytest.mark.parametrize(
    "document",
    [
        ENTITY.encode() + b"<NativeDicomModel>&a;</NativeDicomModel>", LAUGHS.encode() + b"<lolz>&b;</lolz>",
        b"<!DOCTYPE a SYSTEM 'http://127.0.0.1:9/x.dtd'><NativeDicomModel/>", b"", b"<", b"<a/>", b"text", b"\xff\xfe",
        b'<?xml version="1.0" encoding="none"?><NativeDicomModel/>', b"<NativeDicomModel>",
        b'<?xml version="1.0" encoding="shift_jis"?><NativeDicomModel/>',
        b"<NativeDicomModel/><NativeDicomModel/>", xml("<Value/>"), xml("text"), xml("&a;"),
        xml("<DicomAttribute/>"), xml('<DicomAttribute tag="PatientID" vr="LO"/>'), attribute("", vr="XX"),
        attribute("", tag="FFFEE000"), attribute("<Value><Value/></Value>"), attribute("text"), attribute("<Other/>"),
        attribute('<Value number="0"/>'), attribute('<Value number="2"/><Value number="1"/>'),
        attribute('<Value number="x"/>'), attribute('<Value number="٣"/>'), attribute("<Item/>"),
        attribute("<Value>1</Value><InlineBinary/>"),
        attribute("<Value/>a<Value/>"), attribute("<PersonName><Alphabetic/></PersonName><Value>a</Value>", vr="PN"),
        attribute("<Value>a</Value>", vr="SQ"), attribute("<BulkData uri='a'/><InlineBinary/>", vr="OB"),
        attribute("<Value>a</Value>", vr="PN"), attribute("<Value>a</Value>")[:-30],
        xml('<DicomAttribute tag="00091001" vr="LO"/>' * 2), b'<other:NativeDicomModel xmlns:other="urn:x"/>',
        xml('<DicomAttribute tag="00090001" vr="LO" privateCreator="A"/>' * 2),
        xml('<DicomAttribute tag="00090010" vr="LO"><Value>A</Value></DicomAttribute>'
            '<DicomAttribute tag="00091001" vr="LO" privateCreator="B"/>'),
    ],
)  # fmt: skip
def test_what_is_no_model_is_refused(document: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        parse_xml(document)


def test_a_group_has_so_many_blocks_and_no_more() -> None:
    elements = "".join(f'<DicomAttribute tag="00090001" vr="LO" privateCreator="{n}"/>' for n in range(241))
    with pytest.raises(InvalidRequestError, match="more private creators than blocks"):
        parse_xml(xml(elements))


@pytest.mark.parametrize(("depth", "fits"), [(64, True), (65, False), (10_000, False)])
def test_items_nest_down_to_a_limit(depth: int, *, fits: bool) -> None:
    start, end = '<DicomAttribute tag="00081140" vr="SQ"><Item>', "</Item></DicomAttribute>"
    document = xml(start * depth + end * depth)
    if fits:
        assert parse_xml(document)
    else:
        with pytest.raises(InvalidRequestError, match="deeper than 64"):
            parse_xml(document)


def test_size_and_number_of_parts_are_bounded() -> None:
    with pytest.raises(ExcessiveRequestError):
        parse_xml(attribute("<Value>a</Value>"), ModelLimits(max_bytes=10))
    for values in ("<Value/>" * 20, '<Value number="999999999"/>'):
        with pytest.raises(ExcessiveRequestError, match="more than 10 parts"):
            parse_xml(attribute(values), ModelLimits(max_elements=10))


@pytest.mark.parametrize("name", ["CT_small.dcm", "rtplan.dcm", "reportsi.dcm", "chrFren.dcm", "MR_small_implicit.dcm"])
def test_dcmtk_writes_the_same_attributes(name: str) -> None:
    path = next(path for path in WHOLE if path.name == name)
    command = [tool("dcm2xml"), "--native-format", "--convert-to-utf8", str(path)]
    theirs = listed(subprocess.run(command, capture_output=True, check=True, timeout=30).stdout)
    meta, data = inflated_dataset(path)
    ours = listed(model_xml(model_of(data, meta.transfer_syntax_uid)))
    assert [one[:2] for one in ours] == [one[:2] for one in theirs]
    alike = [(mine, other) for mine, other in zip(ours, theirs, strict=True) if mine[2] == other[2]]
    assert [mine for mine, _ in alike] == [other for _, other in alike]
    assert len(alike) > len(ours) // 2  # DCMTK knows other private elements


def listed(document: bytes) -> list[tuple[str, str | None, str | None, str]]:
    """Return tag, creator, VR and text of every attribute, in order, but what DCMTK writes otherwise."""
    found = []
    for one in ET.fromstring(document).iter():  # noqa: S314 - ours, or that of DCMTK
        tag, vr = one.get("tag", ""), one.get("vr")
        if one.tag.endswith("DicomAttribute") and tag[:4] != "0002" and not tag.endswith("0000") and tag != "00080005":
            texts = (part.text or "" for part in one.iter()) if vr not in FORMATTED_OTHERWISE else ()
            found.append((tag, one.get("privateCreator"), vr, "|".join(text.strip() for text in texts if text.strip())))
    return found


FORMATTED_OTHERWISE = {"OB", "OW", "UN", "SQ", "DS", "FL", "FD", "IS"}
"""Binary values, which DCMTK leaves out, and numbers."""
