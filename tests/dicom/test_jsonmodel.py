"""What web clients send as JSON is read in the right shape and within limits, or refused."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archimage.dicom.jsonmodel import Model, ModelLimits, bulk_data_uris, parse_json
from archimage.errors import ExcessiveRequestError, InvalidRequestError

ID: dict[str, Any] = {"00100020": {"vr": "LO", "Value": ["P1"]}}


def nested(depth: int) -> dict[str, Any]:
    """Sequences inside one another."""
    model = ID
    for _ in range(depth):
        model = {"00081140": {"vr": "SQ", "Value": [model]}}
    return model


def test_an_array_of_data_sets_or_a_single_one_is_read() -> None:
    assert parse_json(orjson.dumps([ID, ID])) == [ID, ID]
    assert parse_json(memoryview(orjson.dumps(ID))) == [ID]
    assert parse_json(b"[]") == []


@pytest.mark.parametrize(
    ("attribute", "read"),
    [
        ({"vr": "PN", "Value": ["A^B"]}, {"vr": "PN", "Value": ["A^B"]}),
        ({"vr": "PN", "Value": [{"Alphabetic": "A"}, None]}, {"vr": "PN", "Value": [{"Alphabetic": "A"}, None]}),
        ({"vr": "DS", "Value": ["1.5", 2, None]}, {"vr": "DS", "Value": ["1.5", 2, None]}),
        ({"vr": "SQ", "Value": [None, {}]}, {"vr": "SQ", "Value": [{}, {}]}),
        ({"vr": "CS", "Value": []}, {"vr": "CS"}),
        ({"vr": "OB", "InlineBinary": ["AA=="]}, {"vr": "OB", "InlineBinary": "AA=="}),
        ({"vr": "OB", "BulkDataURI": "a"}, {"vr": "OB", "BulkDataURI": "a"}),
        ({"Value": [1]}, {"vr": "UN", "Value": [1]}),
        ({"vr": "CS", "other": 1}, {"vr": "CS"}),
    ],
)
def test_an_attribute_is_put_into_shape(attribute: dict[str, Any], read: dict[str, Any]) -> None:
    assert parse_json(orjson.dumps({"0009100a": attribute})) == [{"0009100A": read}]


def test_a_missing_vr_is_that_of_the_dictionary() -> None:
    (model,) = parse_json(b'{"00100010": {}, "00280106": {}, "7FE00010": {}, "00081140": {"Value": [{}]}}')
    assert [attribute["vr"] for attribute in model.values()] == ["PN", "US", "OW", "SQ"]


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"1", b'"a"', b"[1]", b"[[]]", b"\xff", b'{"0010002": {"vr": "LO"}}', b'{"PatientID": {"vr": "LO"}}',
        b'{"00100020": "P1"}', b'{"00100020": {"vr": "XX"}}', b'{"00100020": {"vr": ["LO"]}}',
        b'{"00100020": {"vr": "LO", "Value": "P1"}}', b'{"00100020": {"vr": "LO", "Value": [{}]}}',
        b'{"00100020": {"vr": "LO", "Value": [["P1"]]}}', b'{"00280010": {"vr": "US", "Value": [true]}}',
        b'{"00100020": {"vr": "LO", "Value": ["P1"], "InlineBinary": ""}}', b'{"00081140": {"vr": "SQ", "Value": [0]}}',
        b'{"00091001": {"vr": "OB", "BulkDataURI": 1}}', b'{"00091001": {"vr": "OB", "InlineBinary": ["", ""]}}',
        b'{"00081140": {"vr": "SQ", "Value": ["x"]}}', b'{"FFFEE000": {"vr": "LO"}}', b'{"00000002": {"vr": "UI"}}',
        b'{"0009100a": {"vr": "LO"}, "0009100A": {"vr": "LO"}}', b'{"00100010": {"vr": "PN", "Value": [1]}}',
    ],
)  # fmt: skip
def test_what_is_no_model_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        parse_json(text)


def test_a_message_tells_where_and_nothing_of_the_patient() -> None:
    text = orjson.dumps({"00081140": {"vr": "SQ", "Value": [{}, {"00100010": {"vr": "PN", "Value": ["Secret", 1]}}]}})
    with pytest.raises(InvalidRequestError, match=r"00081140\[1\]\.00100010\.Value") as caught:
        parse_json(text)
    assert "Secret" not in str(caught.value)


def test_sequences_nest_down_to_a_limit() -> None:
    assert parse_json(orjson.dumps(nested(64))) == [nested(64)]
    with pytest.raises(InvalidRequestError, match="deeper than 64"):
        parse_json(orjson.dumps(nested(65)))


@pytest.mark.parametrize("start", [b"[", b'{"00081140":{"vr":"SQ","Value":['])
def test_json_ten_thousand_levels_deep_is_refused(start: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        parse_json(start * 10_000)


def test_size_and_number_of_parts_are_bounded_before_anything_is_built() -> None:
    with pytest.raises(ExcessiveRequestError, match="bytes as text"):
        parse_json(b" " * 101, ModelLimits(max_bytes=100))
    with pytest.raises(ExcessiveRequestError, match="more than 10 parts"):
        parse_json(b"[" + b"[]," * 20, ModelLimits(max_elements=10))


def test_references_are_found_at_every_depth() -> None:
    inner: Model = {"54001010": {"vr": "OW", "BulkDataURI": "b"}, "00080060": {"vr": "CS"}}
    model: Model = {"00420011": {"vr": "OB", "BulkDataURI": "a"}, "54000100": {"vr": "SQ", "Value": [{}, inner]}}
    assert list(bulk_data_uris(model)) == ["a", "b"]
    assert list(bulk_data_uris({"54000100": {"vr": "SQ"}})) == []


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("aV", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["00081140", "vr", "Value", "BulkDataURI", "SQ"]), inner, max_size=3)
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(json=_JSON)
def test_any_json_is_read_or_refused_with_our_errors(json: Any) -> None:
    try:
        models = parse_json(orjson.dumps(json))
    except InvalidRequestError:
        return
    assert all(len(tag) == 8 and "vr" in attribute for model in models for tag, attribute in model.items())
