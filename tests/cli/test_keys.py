"""Keys become identifiers, and responses become text."""

import pytest

from archimage.cli.keys import check_level, check_model, identifier, plain
from archimage.errors import ConfigError
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN


@pytest.mark.parametrize("syntax", [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN])
def test_keys_are_keywords_tags_and_paths(syntax: str) -> None:
    keys = ["PatientName=DOE*", "0008,0020=2024-", "(0010,0020)", "RequestAttributesSequence[0].RequestedProcedureID=7"]
    assert plain(identifier("STUDY", keys, ("StudyID",), syntax), syntax) == {
        "StudyDate": "2024-",
        "QueryRetrieveLevel": "STUDY",
        "PatientName": "DOE*",
        "PatientID": "",
        "StudyID": "",
        "RequestAttributesSequence": [{"RequestedProcedureID": "7"}],
    }


def test_a_value_may_hold_an_equals_sign_and_a_key_wins_over_what_is_shown() -> None:
    encoded = identifier("STUDY", ["PatientName=A=B"], ("PatientName",), EXPLICIT_VR_LITTLE_ENDIAN)
    assert plain(encoded, EXPLICIT_VR_LITTLE_ENDIAN)["PatientName"] == "A=B"


def test_other_scripts_are_sent_as_utf_8() -> None:
    encoded = identifier("STUDY", ["PatientName=山田*"], (), EXPLICIT_VR_LITTLE_ENDIAN)
    decoded = plain(encoded, EXPLICIT_VR_LITTLE_ENDIAN)
    assert (decoded["SpecificCharacterSet"], decoded["PatientName"]) == ("ISO_IR 192", "山田*")


def test_several_values_become_a_list_and_private_tags_hexadecimal() -> None:
    encoded = identifier("STUDY", ["ModalitiesInStudy=CT\\MR", "00091001"], (), EXPLICIT_VR_LITTLE_ENDIAN)
    decoded = plain(encoded, EXPLICIT_VR_LITTLE_ENDIAN)
    assert decoded["ModalitiesInStudy"] == ["CT", "MR"]
    assert decoded["00091001"] == ""


@pytest.mark.parametrize(
    "key", ["NoSuchKeyword=1", "=1", "", "0010,00=1", "PatientName[0]=x", "Rows=many", "Rows=70000"]
)
def test_a_key_that_is_none_is_a_usage_error_that_names_it(key: str) -> None:
    with pytest.raises(ConfigError, match="-k"):
        identifier("STUDY", [key], (), EXPLICIT_VR_LITTLE_ENDIAN)


def test_levels_and_models_are_taken_in_any_case() -> None:
    assert (check_level("series"), check_model("PATIENT")) == ("SERIES", "patient")
    with pytest.raises(ConfigError, match="PATIENT, STUDY, SERIES or IMAGE"):
        check_level("FRAME")
    with pytest.raises(ConfigError, match="patient or study"):
        check_model("worklist")
