"""Access policies as people write them."""

import pytest

from archimage.errors import ConfigError
from archimage.model.access import Operation, Scope
from archimage.services import policy


def test_a_rule_has_whom_it_lets_do_what_with_which_part() -> None:
    (rule,) = policy.parse(
        """
        [[rule]]
        name = "The CT suite"
        ae_titles = ["CT1", "CT2"]
        addresses = ["10.1.0.0/16", "2001:db8::7"]
        certificates = ["sha256:AB:CD", "CT1.Example"]
        allow = ["echo", "store"]
        modalities = ["ct"]
        patients = ["P1"]
        """
    )
    assert rule.name == "The CT suite"
    assert rule.ae_titles == {"CT1", "CT2"}
    assert rule.certificates == {"sha256:abcd", "ct1.example"}
    assert rule.allow == {Operation.ECHO, Operation.STORE}
    assert rule.scope == Scope(modalities=frozenset({"CT"}), patients=frozenset({"P1"}))


def test_all_stands_for_every_operation() -> None:
    (rule,) = policy.parse('[[rule]]\nname = "a"\neveryone = true\nallow = ["all"]')
    assert rule.allow == set(Operation)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rule = 1", "tables"),
        ("[[rule]", "TOML"),
        ("other = 1", "'other'"),
        ('[[rule]]\nallow = ["echo"]\neveryone = true', "name"),
        ('[[rule]]\nname = "a\\u001b[31m"\nallow = ["echo"]\neveryone = true', "printable"),
        ('[[rule]]\nname = "a"\nallow = ["echo"]', "everyone = true"),
        ('[[rule]]\nname = "a"\nallow = ["echo"]\neveryone = true\nusers = ["x"]', "everyone = true"),
        ('[[rule]]\nname = "a"\nallow = []\nusers = ["x"]', "allow lists"),
        ('[[rule]]\nname = "a"\nallow = ["fly"]\nusers = ["x"]', "'fly'"),
        ('[[rule]]\nname = "a"\nallow = ["echo"]\nuser = ["x"]', "'user' is no key"),
        ('[[rule]]\nname = "a"\nallow = ["echo"]\nusers = "x"', "list"),
        ('[[rule]]\nname = "a"\nallow = ["echo"]\nusers = [""]', "users has ''"),
        ('[[rule]]\nname = "a"\nallow = ["echo"]\naddresses = ["10.0.0.1/8"]', "host bits"),
        ('[[rule]]\nname = "a"\nallow = ["echo"]\nae_titles = ["SEVENTEEN LETTERS"]', "AE title"),
        ('[[rule]]\nname = "a"\nallow = ["echo"]\nusers = ["x"]\nstudies = ["1.x"]', "UID"),
        ('[[rule]]\nname = "a"\nallow = ["echo"]\nnodes = "yes"', "true or false"),
    ],
)
def test_what_is_wrong_is_told_with_what_is_allowed(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match="access policy") as caught:
        policy.parse(text)
    assert said in str(caught.value)


def test_a_policy_has_its_limits() -> None:
    one = '[[rule]]\nname = "a"\nallow = ["echo"]\nusers = ["x"]\n'
    assert len(policy.parse(one * policy.MAX_RULES)) == policy.MAX_RULES
    with pytest.raises(ConfigError, match="at most"):
        policy.parse(one * (policy.MAX_RULES + 1))


def test_the_policy_that_users_bring_is_one_and_reads_back_as_it_is_shown() -> None:
    rules = policy.parse(policy.STARTER)
    assert policy.rules_of(policy.tables(rules)) == rules
    assert {rule.name for rule in rules if Operation.ADMINISTER in rule.allow} == {"Administrators do everything"}
