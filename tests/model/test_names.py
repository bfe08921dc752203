"""Names become search keys without case, accents and script."""

import pytest

from archimage.model.names import FORM, SOUND, WORD, fold, keys, query_forms, query_words, sound


def of_kind(kind: str, name: str) -> set[str]:
    """Return the keys of one kind."""
    return {key for found, key in keys(name) if found == kind}


@pytest.mark.parametrize(
    ("name", "forms"),
    [
        ("Doe^John^^", {"doe^john"}),
        ("  Doe ^ John  Paul ", {"doe^john paul"}),
        ("Ångström^Søren", {"angstrom^søren", "angstrom^soren", "aangstroem^soeren"}),
        ("Weiß", {"weiss"}),
        ("Łoś", {"łos", "los"}),
        ("Yamada=山田=ガマ", {"yamada", "山田", "shantian", "ガマ", "gama"}),
        ("ИВАНОВ\\Doe", {"иванов", "ivanov", "doe"}),
        ("Mu\u0308ller", {"muller", "mueller"}),
        ("^^=^", set()),
        ("", set()),
    ],
)
def test_each_group_has_a_form_in_its_script_and_in_latin_letters(name: str, forms: set[str]) -> None:
    assert of_kind(FORM, name) == forms


def test_words_are_cut_at_everything_that_joins_names() -> None:
    assert of_kind(WORD, "O'Neil-Smith^Ann Mary") == {"o", "neil", "smith", "ann", "mary"}


@pytest.mark.parametrize(
    "alike", ["smith smyth schmidt", "muller mueller moeller miller", "catherine kathryn katrin", "philip filip"]
)
def test_what_sounds_alike_has_one_key(alike: str) -> None:
    assert len({sound(word) for word in alike.split()}) == 1


def test_what_sounds_different_has_another_key() -> None:
    assert len({sound(word) for word in ["smith", "jones", "garcia", "novak", "tanaka"]}) == 5


def test_keys_of_one_class_are_left_out() -> None:
    assert sound("lee") == sound("ah") == ""
    assert of_kind(SOUND, "Lee") == set()
    assert of_kind(SOUND, "山田=Doe") == {sound("shantian")}


def test_a_voiced_kana_is_another_letter() -> None:
    assert fold("ガ") != fold("カ")
    assert fold("Á") == fold("a")


def test_ideographs_are_looked_for_only_as_such() -> None:
    assert query_forms("山田^太郎", wild=False) == [{"山田^太郎"}]
    assert query_forms("ヤマダ", wild=False) == [{"ヤマダ", "yamada"}]


def test_wildcards_stay_and_none_is_made() -> None:
    assert query_forms("Mü?l*^", wild=True) == [{"mu?l*", "mue?l*"}]
    assert query_forms("※*", wild=True) == [{"※*", "*"}]
    assert query_forms("a=b*", wild=True) == [{"a"}, {"b*"}]


def test_query_words_are_folded_one_by_one() -> None:
    assert query_words("Jörg *Doe*") == [{"jorg", "joerg"}, {"doe"}]
    assert query_words("*^*") == []


def test_what_is_far_too_long_to_be_a_name_has_no_keys_and_no_name_has_very_many() -> None:
    assert keys("x" * 1_025) == set()
    many = keys("^".join(f"a{number}" for number in range(200)))
    assert len([kind for kind, _ in many if kind == WORD]) == 64
    assert keys("Doe^" + "x" * 900) > {(WORD, "doe")}
