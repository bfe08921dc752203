"""Every row of Table E.1-1, at the top and inside a sequence, under the basic profile and under each option."""

import pytest
from pydicom.dataset import Dataset

from archimage.dicom.deidentify.content_table import CONTENT_RULES, content_rule_of
from archimage.dicom.deidentify.options import CODES, Option, parse_options
from archimage.dicom.deidentify.table import RULES, Rule, rule_of
from archimage.errors import InvalidRequestError
from tests.dicom.deidentify.cleaning import CT, ENHANCED_MR, cleaned, planted, vr_of

PSEUDONYMS = {0x00100010, 0x00100020}
MADE_ANEW = {0x0040A730, 0x00700001}
"""Sequences whose dummy is made, and not of what was there."""


def number(tag: str) -> int:
    """A tag of the table, with a digit for each x."""
    return int(tag.replace("x", "0"), 16)


def of_row(tag: int, sop_class: str = CT) -> Dataset:
    """A data set that holds an attribute at the top and, but for the class, in an item three sequences deep."""
    dataset = Dataset()
    dataset.SOPClassUID = sop_class
    dataset.add_new(tag, vr_of(tag), planted(vr_of(tag)))
    item = Dataset()
    item.add_new(tag, vr_of(tag), planted(vr_of(tag)))
    for _ in range(3):
        outer = Dataset()
        outer.PixelMeasuresSequence = [item]
        item = outer
    dataset.SharedFunctionalGroupsSequence = [item]
    return dataset


def both(dataset: Dataset) -> list[Dataset]:
    """The data set itself, and the item three sequences deep."""
    item = dataset.SharedFunctionalGroupsSequence[0]
    for _ in range(3):
        item = item.PixelMeasuresSequence[0]
    return [dataset, item]


def check(dataset: Dataset, tag: int, action: str) -> None:
    """Tell whether an attribute met with its fate."""
    vr, before = vr_of(tag), planted(vr_of(tag))
    if action == "X":
        assert tag not in dataset
    elif tag in PSEUDONYMS:
        assert str(dataset[tag].value) not in {"", str(before)}
    elif action == "Z":
        assert dataset[tag].is_empty
    elif action == "U":
        assert str(dataset[tag].value).startswith("2.25.")
    elif action == "D":
        assert not dataset[tag].is_empty
        assert "zz" not in str(dataset[tag].value).lower()
        if vr != "SQ":
            assert dataset[tag].value != before
    elif action == "K" and vr != "SQ":
        assert dataset[tag].value == before
    elif action == "C":
        assert tag not in dataset or "zz" not in str(dataset[tag].value).lower()
    elif action == "K":
        assert "Zzitem" not in str(dataset[tag].value)


def plain(action: str) -> str:
    """What a combined action is in a plain image, where all of those that may be removed are optional."""
    return "K" if action == "X/Z/U*" else action.partition("/")[0]


def enhanced(action: str) -> str:
    """What a combined action is where the type is not known: what any type allows."""
    return "K" if action == "X/Z/U*" else action.rsplit("/", maxsplit=1)[-1]


def test_the_table_has_all_rows_but_that_of_private_attributes() -> None:
    assert len(RULES) == 656
    assert len(CONTENT_RULES) == 214


@pytest.mark.parametrize("tag", RULES)
def test_a_row_is_carried_out_at_every_depth(tag: str) -> None:
    for dataset in both(cleaned(of_row(number(tag)))):
        check(dataset, number(tag), plain(RULES[tag].basic))
    for dataset in both(cleaned(of_row(number(tag), ENHANCED_MR))):
        check(dataset, number(tag), enhanced(RULES[tag].basic))


@pytest.mark.parametrize(("tag", "option"), [(tag, option) for tag, rule in RULES.items() for option in rule.options])
def test_an_option_is_carried_out_at_every_depth(tag: str, option: Option) -> None:
    action = RULES[tag].options[option]
    for dataset in both(cleaned(of_row(number(tag)), option)):
        if action == "C" and vr_of(number(tag)) in {"DA", "DT"}:
            assert str(dataset[number(tag)].value)[:8] not in {"20240229", "19000101"}
        else:
            check(dataset, number(tag), action)


def test_options_that_do_not_concern_a_row_change_nothing_of_it() -> None:
    others = frozenset({Option.RETAIN_UIDS, Option.RETAIN_DEVICE_IDENTITY, Option.RETAIN_INSTITUTION_IDENTITY})
    for tag, rule in RULES.items():
        if not others & set(rule.options):
            check(cleaned(of_row(number(tag)), *others), number(tag), plain(rule.basic))


@pytest.mark.parametrize(
    ("tag", "row"),
    [
        (0x00080050, ("Z", {})),
        (0x0008002A, ("X/Z/D", {Option.RETAIN_FULL_DATES: "K", Option.RETAIN_MODIFIED_DATES: "C"})),
        (0x00102110, ("X", {Option.RETAIN_PATIENT_CHARACTERISTICS: "C", Option.CLEAN_DESCRIPTORS: "C"})),
        (0x00181002, ("U", {Option.RETAIN_UIDS: "K", Option.RETAIN_DEVICE_IDENTITY: "K"})),
        (0x0040A730, ("D", {Option.CLEAN_STRUCTURED_CONTENT: "C"})),
        (0x00189371, ("D", {Option.RETAIN_DEVICE_IDENTITY: "K"})),
        (0x00120060, ("Z", {Option.RETAIN_INSTITUTION_IDENTITY: "K"})),
        (0x60023000, ("X", {Option.CLEAN_GRAPHICS: "C"})),
        (0x50040010, ("X", {Option.CLEAN_GRAPHICS: "C"})),
        (0x30080251, ("X/D", {Option.RETAIN_FULL_DATES: "K", Option.RETAIN_MODIFIED_DATES: "C"})),
    ],
)
def test_rows_read_as_they_stand_in_the_standard(tag: int, row: tuple[str, dict[Option, str]]) -> None:
    assert rule_of(tag) == Rule(*row)


def test_of_options_that_disagree_the_more_protective_counts() -> None:
    rule = rule_of(0x0018700C)
    assert rule is not None
    assert rule.action(frozenset({Option.RETAIN_DEVICE_IDENTITY})) == "K"
    assert rule.action(frozenset({Option.RETAIN_DEVICE_IDENTITY, Option.RETAIN_MODIFIED_DATES})) == "C"


def test_a_content_item_of_another_value_type_gets_the_strictest_row_of_its_concept() -> None:
    rule = content_rule_of("TEXT", "DCM", "121080")
    assert rule is not None
    assert rule.basic == "X"
    assert content_rule_of("TEXT", "99LOCAL", "121080") is None


def test_options_are_read_by_name_and_those_that_cannot_be_are_refused() -> None:
    assert parse_options(["clean-descriptors"]) == {Option.CLEAN_DESCRIPTORS}
    with pytest.raises(InvalidRequestError, match="no option"):
        parse_options(["clean-everything"])
    with pytest.raises(InvalidRequestError, match="either"):
        parse_options(["retain-full-dates", "retain-modified-dates"])
    with pytest.raises(InvalidRequestError, match="removes pixels"):
        parse_options(["clean-recognizable-visual-features"])
    both = {Option.CLEAN_PIXEL_DATA, Option.CLEAN_VISUAL_FEATURES}
    assert parse_options(both) == both
    assert [code for code, _ in CODES.values()] == [str(number) for number in range(113101, 113113)]
