"""Decisions of access control."""

import pytest

from archimage.errors import ConfigError, ConflictError, InvalidRequestError, NotAuthorisedError, StorageError
from archimage.model.access import UNLIMITED, Operation, Principal, Restriction, Scope
from archimage.model.nodes import Node
from archimage.services.access import REMEMBERED, AccessService
from archimage.services.policy import STARTER

ADMINISTRATORS = '[[rule]]\nname = "admins"\nroles = ["admin"]\nallow = ["all"]\n'


class Text:
    """Keeps a policy in memory."""

    def __init__(self, text: str | None = None) -> None:
        self.text = text

    def read(self) -> str | None:
        """Return it."""
        return self.text

    def write(self, text: str) -> None:
        """Keep another one."""
        self.text = text


class Clock:
    """A monotonic clock that stands still."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def access(text: str | None, *, users: bool = True, nodes: tuple[Node, ...] = ()) -> AccessService:
    """Return the service over a policy."""
    known = {node.ae_title: node for node in nodes}
    return AccessService(Text(text), lambda: users, known.get)


def rule(who: str, allow: str, more: str = "") -> str:
    """Write a rule."""
    return f'[[rule]]\nname = "r"\n{who}\nallow = [{allow}]\n{more}\n'


def test_everybody_may_do_everything_while_there_are_neither_rules_nor_users() -> None:
    trial = access(None, users=False)
    assert trial.is_open
    assert all(trial.permit(Principal("192.0.2.1"), operation) is UNLIMITED for operation in Operation)
    assert list(trial.rules) == []


def test_with_the_first_user_the_rules_hold_that_users_bring() -> None:
    site = access(None, nodes=(Node("CT1", "192.0.2.1", 104), Node("CT2", "ct2.example", 104)))
    assert not site.is_open
    assert site.text == STARTER
    site.permit(Principal(user="a", roles=frozenset({"administrator"})), Operation.ADMINISTER)
    site.permit(Principal("192.0.2.1", "CT1"), Operation.STORE)
    site.permit(Principal("192.0.2.9", "CT2"), Operation.STORE)
    for stranger in (Principal("192.0.2.2", "CT1"), Principal("192.0.2.1", "CT3"), Principal("192.0.2.1")):
        assert not site.may(stranger)
        with pytest.raises(NotAuthorisedError):
            site.permit(stranger, Operation.ECHO)


def test_an_empty_policy_lets_nobody_do_anything() -> None:
    closed = access("", users=False)
    assert not closed.is_open
    assert not closed.may(Principal(user="a", roles=frozenset({"administrator"})))


@pytest.mark.parametrize(
    ("who", "fitting", "other"),
    [
        ('ae_titles = ["A"]', Principal(ae_title="A"), Principal(ae_title="B")),
        ('addresses = ["10.0.0.0/8"]', Principal("10.9.9.9"), Principal("11.0.0.1")),
        ('addresses = ["10.0.0.0/8"]', Principal("::ffff:10.9.9.9"), Principal("not an address")),
        ('addresses = ["fe80::/10"]', Principal("fe80::1%eth0"), Principal("10.0.0.1")),
        ('certificates = ["ct.example"]', Principal(certificate=frozenset({"ct.example"})), Principal()),
        ('users = ["ann"]', Principal(user="ann"), Principal(user="bob")),
        ('roles = ["r"]', Principal(user="ann", roles=frozenset({"q", "r"})), Principal(user="ann")),
        ('tokens = ["t"]', Principal(user="ann", token="t"), Principal(user="ann", token="u")),
        ('users = ["ann"]\nae_titles = ["A"]', Principal(ae_title="A", user="ann"), Principal(user="ann")),
        ("everyone = true", Principal(), None),
    ],
)
def test_each_kind_of_principal_that_a_rule_names_must_fit(
    who: str, fitting: Principal, other: Principal | None
) -> None:
    site = access(rule(who, '"query"'))
    assert site.permit(fitting, Operation.QUERY).within == ()
    with pytest.raises(NotAuthorisedError, match="may not store"):
        site.permit(fitting, Operation.STORE)
    assert other is None or not site.may(other)


def test_several_rules_together_allow_what_each_of_them_does() -> None:
    site = access(
        rule('users = ["a"]', '"query"', 'modalities = ["CT"]')
        + rule('roles = ["r"]', '"query", "retrieve"', 'labels = ["trial"]')
        + rule('users = ["b"]', '"query"')
    )
    both = Principal(user="a", roles=frozenset({"r"}))
    scopes = (Scope(modalities=frozenset({"CT"})), Scope(labels=frozenset({"trial"})))
    assert site.permit(both, Operation.QUERY).within == (scopes,)
    assert site.permit(both, Operation.RETRIEVE).within == (scopes[1:],)
    assert site.permit(Principal(user="b", roles=frozenset({"r"})), Operation.QUERY).within == ()


def test_move_destinations_are_limited_unless_a_rule_names_none() -> None:
    limited = rule('users = ["a"]', '"move-to"', 'destinations = ["WS1"]')
    site = access(limited)
    site.permit(Principal(user="a"), Operation.MOVE_TO, "WS1")
    with pytest.raises(NotAuthorisedError, match="WS2"):
        site.permit(Principal(user="a"), Operation.MOVE_TO, "WS2")
    access(limited + rule('users = ["a"]', '"move-to"')).permit(Principal(user="a"), Operation.MOVE_TO, "WS2")


def test_a_token_leaves_a_part_of_what_its_owner_may_do() -> None:
    study = Scope(studies=frozenset({"1.2"}))
    site = access(rule('users = ["a"]', '"query", "delete"', 'modalities = ["CT"]'))
    token = Principal(
        user="a", token="t", restriction=Restriction(frozenset({Operation.QUERY, Operation.STORE}), study)
    )
    assert site.permit(token, Operation.QUERY).within == ((Scope(modalities=frozenset({"CT"})),), (study,))
    for operation in (Operation.DELETE, Operation.STORE):
        with pytest.raises(NotAuthorisedError):
            site.permit(token, operation)


@pytest.mark.parametrize("text", [None, ADMINISTRATORS])
def test_a_share_is_a_right_in_itself(text: str | None) -> None:
    study = Scope(studies=frozenset({"1.2"}))
    share = Principal(token="share", restriction=Restriction(frozenset({Operation.RETRIEVE}), study))
    for site in (access(text), access(text, users=False)):
        assert site.permit(share, Operation.RETRIEVE).within == ((study,),)
        with pytest.raises(NotAuthorisedError):
            site.permit(share, Operation.QUERY)


def test_a_policy_that_changes_holds_a_moment_later_and_one_that_is_none_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, text, told = Clock(), Text(ADMINISTRATORS), list[tuple[str, bool]]()
    monkeypatch.setattr("archimage.services.access.time.monotonic", clock)
    site = AccessService(text, lambda: True, lambda _: None)
    site.changed = lambda description, good: told.append((description, good))
    text.text = ADMINISTRATORS + rule('users = ["a"]', '"query"')
    assert not site.may(Principal(user="a"))
    clock.now += 2
    assert site.may(Principal(user="a"))
    text.text = "[[rule"
    for _ in range(3):
        clock.now += 2
        assert site.may(Principal(user="a"))
    assert [good for _, good in told] == [True, False]
    assert "TOML" in told[-1][0]


def test_an_index_that_does_not_answer_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, answers = Clock(), [True]

    def has_users() -> bool:
        if not answers:
            raise StorageError("away")
        return answers.pop()

    monkeypatch.setattr("archimage.services.access.time.monotonic", clock)
    site = AccessService(Text(), has_users, lambda _: None)
    clock.now += 2
    assert not site.is_open


def test_nobody_locks_himself_out() -> None:
    site, admin = access(ADMINISTRATORS), Principal(user="a", roles=frozenset({"admin"}))
    with pytest.raises(ConflictError, match="could not change them any more"):
        site.replace(rule('users = ["b"]', '"all"'), admin)
    with pytest.raises(ConflictError):
        site.replace(rule('users = ["a"]', '"all"', 'labels = ["x"]'), admin)
    with pytest.raises(InvalidRequestError, match="no key"):
        site.replace("[[rule]]\nwho = 1", admin)
    site.replace(ADMINISTRATORS + rule('users = ["b"]', '"echo"'), admin)
    assert site.may(Principal(user="b"))


def test_a_start_with_a_policy_that_is_none_fails() -> None:
    with pytest.raises(ConfigError, match="rule 1"):
        access("[[rule]]\nwho = 1")


def test_rights_are_remembered_of_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archimage.services.access.time.monotonic", Clock())  # or they are forgotten meanwhile
    site = access(rule("everyone = true", '"echo"'))
    for number in range(REMEMBERED + 10):
        assert site.may(Principal(user=str(number)))
    assert len(site._known) == REMEMBERED
