"""Names, passwords, sessions, tokens and shares become principals, or are refused."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from archimage.config_access import AccessConfig
from archimage.errors import (
    ArchimageError,
    ConflictError,
    InvalidRequestError,
    NotAuthenticatedError,
    NotFoundError,
)
from archimage.model.access import Operation, Principal, Restriction, Scope
from archimage.services.accounts import UserChange
from archimage.services.proofs import digest_of
from tests.services.identifying import ADDRESS, PASSWORD, Process, Start, processes

WRONG = "not her password"
ANN = Principal(address=ADDRESS, user="ann", roles=frozenset({"reader"}))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start processes over one index."""
    with processes(tmp_path) as start:
        yield start


@pytest.fixture
def process(start: Start) -> Process:
    """Start one, with a user."""
    process = start()
    process.add("ann", "reader")
    process.trail.events.clear()
    return process


def refused(process: Process, password: str = WRONG, user: str = "ann", address: str = ADDRESS) -> str:
    """Have a password refused; return why."""
    with pytest.raises(NotAuthenticatedError) as caught:
        process.service.by_password(user, password, address)
    return str(caught.value)


def test_a_name_and_a_password_make_a_principal_in_any_case_of_the_name(process: Process) -> None:
    assert process.service.by_password(" Ann ", PASSWORD, ADDRESS) == ANN
    assert process.trail.said == [("Login", "0", "")]


def test_accents_count_however_they_were_typed(process: Process) -> None:
    process.add("bob", password="l\u00e0 o\u00f9 personne ne va")
    assert process.service.by_password("bob", "la\u0300 ou\u0300 personne ne va", ADDRESS).user == "bob"


@pytest.mark.parametrize("user", ["ann", "nobody", "no name at all", "", "a\0b", "x" * 10_000, "\ud800"])
def test_what_is_wrong_is_not_told(process: Process, user: str) -> None:
    assert refused(process, user=user) == "the user name or the password is wrong"
    assert process.trail.said == [("Login", "4", "the user name or the password is wrong")]


def test_who_is_disabled_or_has_no_password_is_refused_with_the_same_words(process: Process) -> None:
    process.add("robot", password=None)
    assert refused(process, "", "robot") == refused(process, PASSWORD, "robot") == refused(process)
    process.service.users.change("ann", UserChange(disabled=True))
    assert refused(process, PASSWORD) == "the user name or the password is wrong"


def test_a_proved_password_costs_no_second_hash_until_the_user_changes(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.service.by_password("ann", PASSWORD, ADDRESS)
    monkeypatch.setattr("argon2.PasswordHasher.verify", lambda *_: pytest.fail("a hash was computed"))
    assert process.service.by_password("ann", PASSWORD, "192.0.2.8").address == "192.0.2.8"
    monkeypatch.undo()
    process.service.users.change("ann", UserChange(password="another one of them"))
    refused(process, PASSWORD)
    process.service.users.change("ann", UserChange(disabled=True))
    refused(process, "another one of them")


def test_what_was_proved_is_forgotten_after_a_while(process: Process) -> None:
    for _ in range(2):
        process.service.by_password("ann", PASSWORD, ADDRESS)
        process.clock.now += 301
    assert [what for what, _, _ in process.trail.said] == ["Login", "Login"]


def test_the_wait_grows_is_told_and_holds_for_the_right_password_too(process: Process) -> None:
    for _ in range(5):
        refused(process)
    assert refused(process, PASSWORD) == "too many logins have failed: wait 30 seconds"
    process.clock.now += 29
    assert refused(process, PASSWORD) == "too many logins have failed: wait 1 seconds"
    process.clock.now += 1
    refused(process)
    assert refused(process, PASSWORD) == "too many logins have failed: wait 60 seconds"
    process.clock.now += 60
    assert process.service.by_password("ann", PASSWORD, ADDRESS) == ANN
    assert refused(process) == "the user name or the password is wrong"
    assert ("Login", "4", "locked out for 30 s more") in process.trail.said


def test_processes_count_together_and_restarts_forget_nothing(start: Start, process: Process) -> None:
    other = start()
    for number in range(5):
        refused((process, other)[number % 2])
    assert "wait 30 seconds" in refused(start(), PASSWORD)


def test_many_at_once_get_no_more_tries_than_one_after_the_other(process: Process) -> None:
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(refused(process))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted("wait" in answer for answer in answers) == [False] * 5 + [True]


def test_an_address_is_locked_out_whoever_is_tried_and_others_are_not(tmp_path: Path) -> None:
    with processes(tmp_path, AccessConfig(lockout_address_failures=3)) as start:
        process = start()
        process.add("ann", "reader")
        for number in range(3):
            refused(process, user=f"user{number}", address=f"2001:db8::{number}")
        assert "wait 30 seconds" in refused(process, PASSWORD, address="2001:db8::ffff")
        assert process.service.by_password("ann", PASSWORD, ADDRESS) == ANN


def test_who_was_let_in_before_goes_on_while_others_are_locked_out(process: Process) -> None:
    secret = process.service.login("ann", PASSWORD, ADDRESS)
    for _ in range(5):
        refused(process)
    assert process.service.by_password("ann", PASSWORD, ADDRESS) == ANN
    assert process.service.by_session(secret).user == "ann"


def test_a_name_alone_is_believed_only_of_who_was_entered_so(process: Process) -> None:
    process.service.users.add("modality", UserChange(roles=["sender"], by_name=True))
    assert process.service.by_name("MODALITY", ADDRESS) == Principal(ADDRESS, user="modality", roles={"sender"})  # type: ignore[arg-type]
    process.add("robot", password=None)
    for name in ("ann", "robot", "nobody", ""):
        with pytest.raises(NotAuthenticatedError, match="not believed by name"):
            process.service.by_name(name, ADDRESS)


def test_who_is_believed_by_name_has_no_password(process: Process) -> None:
    with pytest.raises(InvalidRequestError, match="no password"):
        process.service.users.change("ann", UserChange(by_name=True))


@pytest.mark.parametrize("password", ["short", "x" * 12, "annannannann"[:11], "x" * 1_025])
def test_a_password_that_is_none_is_refused(process: Process, password: str) -> None:
    with pytest.raises(InvalidRequestError, match="the password is"):
        process.service.users.change("ann", UserChange(password=password))


def test_a_password_is_not_the_users_name(process: Process) -> None:
    with pytest.raises(InvalidRequestError, match="user's name"):
        process.add("a-long-user-name", password="A-long-user-name")


@pytest.mark.parametrize("name", ["", "Ann", "a b", "a" * 65, "ännchen", "a\n"])
def test_a_name_that_is_none_is_refused(process: Process, name: str) -> None:
    with pytest.raises(InvalidRequestError, match="no name of a user"):
        process.add(name)
    with pytest.raises(InvalidRequestError, match="no role"):
        process.add("bob", name)


def test_users_are_kept_once_changed_and_removed_with_words_to_the_trail(process: Process) -> None:
    with pytest.raises(ConflictError):
        process.add("ann")
    process.service.users.change("ann", UserChange(roles=["admin"], disabled=True, description="Dr Ann"))
    with pytest.raises(ConflictError, match="last user"):
        process.service.users.remove("ann")
    process.service.users.remove("ann", even_last=True)
    for absent in (lambda: process.service.users.remove("ann"), lambda: process.service.users.get("ann")):
        with pytest.raises(NotFoundError):
            absent()
    assert process.trail.said == [
        ("Security Roles Changed", "0", "user ann has the roles admin now, before the roles reader"),
        ("User security Attributes Changed", "0", "user ann: disabled"),
        ("Security Roles Changed", "0", "user ann was removed"),
    ]


def test_no_secret_stands_in_what_is_shown_of_it(process: Process) -> None:
    secret = process.service.login("ann", PASSWORD, ADDRESS)
    shown = repr((process.service.users.all(), process.service.sessions.all()))
    assert "argon2" not in shown
    assert digest_of(secret) not in shown


def test_whether_there_are_users_is_asked_once_a_second(start: Start) -> None:
    process, other = start(), start()
    assert not process.service.has_users()
    other.add("ann")
    assert not process.service.has_users()
    process.clock.now += 1.5
    assert process.service.has_users()


def test_a_session_lasts_while_it_is_used_and_not_for_ever(process: Process) -> None:
    secret = process.service.login("ann", PASSWORD, ADDRESS)
    for _ in range(12):
        process.clock.now += 3_500
        assert process.service.by_session(secret).roles == {"reader"}
    process.clock.now += 3_500
    with pytest.raises(NotAuthenticatedError, match="over"):
        process.service.by_session(secret)


def test_an_unused_session_is_over(process: Process) -> None:
    secret = process.service.login("ann", PASSWORD, ADDRESS)
    process.clock.now += 3_600
    with pytest.raises(NotAuthenticatedError):
        process.service.by_session(secret)
    assert list(process.service.sessions.all()) == []


def test_a_session_has_the_roles_of_the_moment_and_ends_with_its_user(process: Process) -> None:
    secret = process.service.login("ann", PASSWORD, ADDRESS)
    process.service.users.change("ann", UserChange(roles=["admin"]))
    assert process.service.by_session(secret).roles == {"admin"}
    process.service.users.change("ann", UserChange(disabled=True))
    with pytest.raises(NotAuthenticatedError):
        process.service.by_session(secret)


def test_another_password_ends_all_sessions_but_ones_own(process: Process) -> None:
    mine, other = (process.service.login("ann", PASSWORD, ADDRESS) for _ in range(2))
    with pytest.raises(NotAuthenticatedError):
        process.service.change_own_password(ANN, "not the old one", "a new one of these", keeping=digest_of(mine))
    process.service.change_own_password(ANN, PASSWORD, "a new one of these", keeping=digest_of(mine))
    assert process.service.by_session(mine).user == "ann"
    with pytest.raises(NotAuthenticatedError):
        process.service.by_session(other)


def test_logging_out_ends_one_session_and_is_told_once(process: Process) -> None:
    mine, other = (process.service.login("ann", PASSWORD, ADDRESS) for _ in range(2))
    process.trail.events.clear()
    process.service.logout(mine, ADDRESS)
    process.service.logout(mine, ADDRESS)
    assert process.trail.said == [("Logout", "0", "")]
    with pytest.raises(NotAuthenticatedError):
        process.service.by_session(mine)
    assert process.service.by_session(other).user == "ann"


def test_sessions_are_revoked_by_their_names_one_or_all(process: Process) -> None:
    for _ in range(3):
        process.service.login("ann", PASSWORD, ADDRESS)
    first = process.service.sessions.of("ann")[0]
    with pytest.raises(NotFoundError):
        process.service.sessions.revoke(first.id, "bob")
    process.service.sessions.revoke(first.id, "ann")
    assert len(process.service.sessions.all()) == 2
    process.service.sessions.revoke_all("ann")
    assert list(process.service.sessions.all()) == []


def test_a_token_has_what_its_restriction_leaves_of_its_owner(process: Process) -> None:
    restriction = Restriction(frozenset({Operation.STORE}), Scope(labels=frozenset({"trial"})))
    issued = process.service.tokens.issue("ann", "uploads", restriction)
    assert issued.secret.startswith("amt_")
    assert process.service.by_token(issued.secret) == Principal(
        user="ann", roles=frozenset({"reader"}), token="uploads", restriction=restriction
    )


def test_a_token_is_void_when_it_is_over_revoked_or_its_owner_is_gone(process: Process) -> None:
    process.add("bob")
    over = process.service.tokens.issue("ann", "over", Restriction(), 60.0)
    revoked = process.service.tokens.issue("ann", "revoked", Restriction())
    orphan = process.service.tokens.issue("bob", "orphan", Restriction())
    asleep = process.service.tokens.issue("ann", "asleep", Restriction())
    process.clock.now += 60
    process.service.tokens.revoke(revoked.kept.id, "ann")
    process.service.users.remove("bob")
    process.service.users.change("ann", UserChange(disabled=True))
    for secret in (over.secret, revoked.secret, orphan.secret, asleep.secret, "amt_", "", "amt_\ud800", "x" * 9_999):
        with pytest.raises(NotAuthenticatedError, match="no longer valid"):
            process.service.by_token(secret)


def test_tokens_have_names_of_their_own_and_owners_who_are_there(process: Process) -> None:
    process.service.tokens.issue("ann", "uploads", Restriction())
    wrong: list[tuple[str, str, float | None, type[ArchimageError]]] = [
        ("ann", "uploads", None, ConflictError),
        ("bob", "uploads", None, NotFoundError),
        ("ann", " ", None, InvalidRequestError),
        ("ann", "x", 0.0, InvalidRequestError),
        ("ann", "x", float("inf"), InvalidRequestError),
        ("ann", "x", float("nan"), InvalidRequestError),
    ]
    for owner, name, lasting_s, error in wrong:
        with pytest.raises(error):
            process.service.tokens.issue(owner, name, Restriction(), lasting_s)
    with pytest.raises(NotFoundError):
        process.service.tokens.revoke(process.service.tokens.all()[0].id, "bob")


def test_a_share_leaves_reading_one_study_of_the_rights_of_who_made_it(process: Process) -> None:
    issued = process.service.shares.make("1.2.3", 60.0, ANN)
    found = process.service.by_share(issued.secret)
    assert (found.user, found.roles, found.token) == ("ann", ANN.roles, f"share {issued.kept.id}")
    assert found.restriction == Restriction(
        frozenset({Operation.QUERY, Operation.RETRIEVE}), Scope(studies=frozenset({"1.2.3"}))
    )
    with pytest.raises(InvalidRequestError, match="makes no share"):
        process.service.shares.make("1.2.3", 60.0, found)


def test_a_share_is_void_when_it_is_over_revoked_or_its_maker_is_gone(process: Process) -> None:
    over, revoked, orphan = (process.service.shares.make("1.2.3", life, ANN) for life in (60.0, 90.0, 90.0))
    process.clock.now += 60
    process.service.shares.revoke(revoked.kept.id, "ann")
    assert [one.id for one in process.service.shares.of("ann")] == [orphan.kept.id]
    process.service.users.change("ann", UserChange(disabled=True))
    for secret in (over.secret, revoked.secret, orphan.secret, ""):
        with pytest.raises(NotAuthenticatedError):
            process.service.by_share(secret)


def test_who_comes_from_the_provider_has_its_roles_until_a_user_takes_his_name(process: Process) -> None:
    carl = Principal(address=ADDRESS, user="carl", roles=frozenset({"admin"}))
    secret = process.service.login_from_provider(carl, ADDRESS)
    shared = process.service.shares.make("1.2.3", 60.0, carl)
    assert process.service.by_session(secret).roles == process.service.by_share(shared.secret).roles == {"admin"}
    process.add("carl", "reader")
    for ask in (
        lambda: process.service.by_session(secret),
        lambda: process.service.by_share(shared.secret),
        lambda: process.service.login_from_provider(carl, ADDRESS),
    ):
        with pytest.raises(NotAuthenticatedError):
            ask()


def test_without_a_provider_no_token_of_one_is_taken(process: Process) -> None:
    with pytest.raises(NotAuthenticatedError, match="no provider"):
        process.service.by_jwt("ey.ey.x")
