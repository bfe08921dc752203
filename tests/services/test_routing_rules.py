"""Rules of routing, as they are read and looked up; without an archive."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archimage.config_routing import RoutingConfig
from archimage.dicom.scan import scan
from archimage.errors import ConfigError
from archimage.model.routing import Path, Rule, Subject
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from archimage.services.routing_rules import header_values, indexed_values, judge, matches, rules_of, study_values
from archimage.settings import load
from tests.attacks.datasets import dataset

MODALITY, NAME, DATE, DESCRIPTION = 0x00080060, 0x00100010, 0x00080020, 0x00081030
WORDS = st.text("ABC *?", min_size=1, max_size=6).map(str.strip).filter(bool)


def rule_of(**settings: Any) -> Rule:
    """Read one rule."""
    (rule,) = rules_of(RoutingConfig(rule=({"name": "one", "actions": "send:NODE", **settings},)))  # type: ignore[arg-type]
    return rule


def met(settings: Mapping[str, Any], values: Mapping[Any, tuple[str, ...]], source: str = "CT1", at: float = 0) -> bool:
    """Tell whether a rule matches an object."""
    return matches(rule_of(**settings), Subject(values, source, at))


@pytest.mark.parametrize(
    ("when", "values", "fits"),
    [
        ({"Modality": "CT"}, {MODALITY: ("CT",)}, True),
        ({"Modality": "CT"}, {MODALITY: ("MR",)}, False),
        ({"Modality": "CT"}, {}, False),
        ({"Modality": ["CT", "MR"]}, {MODALITY: ("MR",)}, True),
        ({"Modality": r"CT\MR"}, {MODALITY: ("MR",)}, True),
        ({"(0008,0060)": "C?"}, {MODALITY: ("CT",)}, True),
        ({"StudyDescription": "*head*"}, {DESCRIPTION: ("ct head native",)}, True),
        ({"StudyDescription": "*head*"}, {DESCRIPTION: ("ct thorax",)}, False),
        ({"StudyDate": "20260101-20261231"}, {DATE: ("20260704",)}, True),
        ({"StudyDate": "20260101-20261231"}, {DATE: ("20250704",)}, False),
        ({"StudyDate": "-20251231"}, {DATE: ("20250704",)}, True),
        ({"PatientName": "müller*"}, {NAME: ("Muller^Anna",)}, True),
        ({"StudyDescription": "*"}, {}, False),
        ({"StudyDescription": "*"}, {DESCRIPTION: ("any",)}, True),
        ({"StudyDescription": '""'}, {}, True),
        ({"ImageType": "LOCALIZER"}, {0x00080008: ("ORIGINAL", "PRIMARY", "LOCALIZER")}, True),
        ({"RequestAttributesSequence.RequestedProcedureID": "P1"}, {(0x00400275, 0x00401001): ("P0", "P1")}, True),
        ({"(0029,1010)": "yes*"}, {0x00291010: ("yes, it is",)}, True),
    ],
)
def test_attributes_are_matched_as_keys_of_queries_are(
    when: Mapping[str, Any], values: Mapping[Path, tuple[str, ...]], fits: bool
) -> None:
    assert met({"when": when}, values) is fits
    assert met({"unless": when}, values) is not fits


def test_all_conditions_have_to_be_met_and_a_sender_may_be_any_of_several() -> None:
    settings = {"when": {"Modality": "CT", "StudyDescription": "*head*"}, "source": ["CT*", "ED"]}
    values = {MODALITY: ("CT",), DESCRIPTION: ("head",)}
    assert met(settings, values)
    assert not met(settings, values, source="MR1")
    assert not met(settings, values | {DESCRIPTION: ("thorax",)})


@pytest.mark.parametrize(
    ("asked", "called", "fits"),
    [("READ_*", "READ_1", True), (["A", "B"], "B", True), ("READ_*", "PACS", False), ("*", "", False)],
)
def test_what_the_sender_called_the_archive_by_has_to_fit(asked: object, called: str, fits: bool) -> None:
    rule = rule_of(called=asked)
    subject = Subject({}, "CT1", 0.0, called)
    assert matches(rule, subject) is fits
    (finding,) = judge(rule, subject).findings
    assert (finding.met, finding.found) == (fits, called)


@pytest.mark.parametrize(
    ("hours", "weekdays", "at", "fits"),
    [
        ("07:00-19:00", (), "2026-03-02 07:00", True),
        ("07:00-19:00", (), "2026-03-02 19:00", False),
        ("22:00-06:00", (), "2026-03-02 23:59", True),
        ("22:00-06:00", (), "2026-03-02 05:59", True),
        ("22:00-06:00", (), "2026-03-02 12:00", False),
        ("22:00-06:00", "sun", "2026-03-02 05:00", True),  # the night that began on Sunday
        ("22:00-06:00", "sun", "2026-03-02 23:00", False),
        ((), ["sat", "sun"], "2026-03-01 12:00", True),
        ((), ["sat", "sun"], "2026-03-02 12:00", False),
        (["08:00-09:00", "17:00-18:00"], (), "2026-03-02 17:30", True),
    ],
)
def test_the_time_of_arrival_counts_by_the_clock_of_the_archive(
    hours: object, weekdays: object, at: str, fits: bool
) -> None:
    moment = datetime.fromisoformat(at).timestamp()
    assert met({"hours": hours, "weekdays": weekdays}, {}, at=moment) is fits


@given(values=st.lists(WORDS, max_size=3), asked=st.lists(WORDS, min_size=1, max_size=3))
def test_unless_is_the_opposite_of_when(values: list[str], asked: list[str]) -> None:
    found = {DESCRIPTION: tuple(values)}
    assert met({"when": {"StudyDescription": asked}}, found) is not met({"unless": {"StudyDescription": asked}}, found)


@given(values=st.lists(WORDS, min_size=1, max_size=3), asked=st.lists(WORDS, min_size=1, max_size=3), more=WORDS)
def test_one_more_value_that_is_asked_for_never_loses_a_match(values: list[str], asked: list[str], more: str) -> None:
    found = {DESCRIPTION: tuple(values)}
    if met({"when": {"StudyDescription": asked}}, found):
        assert met({"when": {"StudyDescription": [*asked, more]}}, found)


@given(
    when=st.dictionaries(st.sampled_from(["Modality", "StudyDescription", "PatientName"]), WORDS, max_size=3),
    unless=st.dictionaries(st.sampled_from(["Modality", "StudyDescription"]), WORDS, max_size=2),
    values=st.dictionaries(st.sampled_from([MODALITY, DESCRIPTION, NAME]), st.tuples(WORDS), max_size=3),
    source=st.sampled_from(["", "CT*", "MR?"]),
)
def test_a_rule_matches_exactly_if_every_condition_that_it_tells_is_met(
    when: dict[str, str], unless: dict[str, str], values: dict[Path, tuple[str, ...]], source: str
) -> None:
    rule = rule_of(when=when, unless=unless, source=source or ())
    subject = Subject(values, "CT1", 0.0)
    verdict = judge(rule, subject)
    assert len(verdict.findings) == len(when) + len(unless) + bool(source)
    assert verdict.matches is all(finding.met for finding in verdict.findings) is matches(rule, subject)


def test_what_a_header_and_the_index_tell_is_the_same() -> None:
    rule = rule_of(when={"Modality": "*", "PatientName": "*", "(0020,000D)": "*"})
    header = scan(dataset("1.2.3"), EXPLICIT_VR_LITTLE_ENDIAN, frozenset(rule.paths))
    told = header_values(header, rule.paths)
    columns = {MODALITY: "modality", NAME: "patient_name", 0x0020000D: "study_instance_uid"}
    assert told
    assert indexed_values({columns[tag]: "\\".join(values) for tag, values in told.items()}) == told  # type: ignore[index]


def test_a_rule_on_studies_may_ask_for_what_only_a_study_has() -> None:
    rule = rule_of(when={"ModalitiesInStudy": "SR"})
    assert rule.asks_of_study
    assert not rule.reads_headers
    assert matches(rule, Subject(study_values(["CT", "CT", "SR"]), "", 0))
    assert not matches(rule, Subject(study_values(["CT", "CT"]), "", 0))


def test_an_attribute_that_the_index_has_not_is_read_from_headers() -> None:
    assert rule_of(when={"KVP": "120"}).reads_headers
    assert not rule_of(when={"Modality": "CT"}).reads_headers


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"when": {"Modalitie": "CT"}}, "neither the keyword"),
        ({"when": {"StudyDate": "yesterday"}}, "not a date"),
        ({"when": {"PixelData": "x"}}, "no text"),
        ({"when": {"RequestAttributesSequence": "x"}}, "no text"),
        ({"when": {"ModalitiesInStudy": "CT"}, "on": "instance"}, "no object has"),
        ({"actions": "transcode:jpeg"}, "no transfer syntax"),
        ({"actions": "deidentify:a b"}, "no name of a project"),
        ({"actions": "label:a/b"}, "a label is"),
        ({"actions": r"send:A\B"}, "no AE title"),
    ],
)
def test_what_a_rule_cannot_be_is_said_with_its_name(settings: Mapping[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=rf"routing\.rule 'one': .*{said}"):
        rule_of(**settings)


@pytest.mark.parametrize("actions", [(), "send", "send:", "drop:X"])
def test_a_rule_without_something_to_do_is_refused(actions: object) -> None:
    with pytest.raises(ValueError, match="action"):
        rule_of(actions=actions)


def test_a_name_to_store_at_that_no_archive_has_is_refused() -> None:
    with pytest.raises(ValueError, match="neither an address"):
        rule_of(actions="stow:NODE")


def test_two_rules_of_one_name_are_refused() -> None:
    rule = {"name": "one", "actions": ("send:A",)}
    with pytest.raises(ValueError, match="two rules"):
        RoutingConfig(rule=(rule, rule))  # type: ignore[arg-type]


@pytest.mark.parametrize("action", ["stow:https://me:geheim@a.example/studies", "notify: HTTP://geheim@a.example"])
def test_an_address_with_a_user_in_it_is_refused_and_not_told(action: str) -> None:
    with pytest.raises(ConfigError, match="has a user in it") as caught:
        load({"routing": {"rule": [{"name": "one", "actions": action}]}}, {})
    assert "geheim" not in str(caught.value)
    assert rule_of(actions="stow:https://a.example/@/studies").actions


@pytest.mark.parametrize("begin", ["https://a.example", "a.example/", "https:///", "https://me:geheim@a.example/"])
def test_an_authorization_is_for_one_host(begin: str) -> None:
    with pytest.raises(ConfigError, match="another host fits too") as caught:
        load({"routing": {"authorization": {begin: "Bearer geheim"}}}, {})
    assert "geheim" not in str(caught.value)
    assert load({"routing": {"authorization": {"https://a.example/": "Bearer geheim"}}}, {}).routing.authorization


@pytest.mark.parametrize(
    "address", ["https://me:geheim@a.example/dicom-web", "https://a.example/?key=geheim", "a.example"]
)
def test_the_address_of_an_archive_has_neither_a_user_nor_a_query(address: str) -> None:
    with pytest.raises(ConfigError, match="address"):
        load({"routing": {"archives": {"CLOUD": {"address": address}}}}, {})
    for good in ("https://a.example", "http://[::1]:8042/dicom-web"):
        assert (
            load({"routing": {"archives": {"CLOUD": {"address": good}}}}, {}).routing.archives["CLOUD"].address == good
        )
