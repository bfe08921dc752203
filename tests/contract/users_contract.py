"""What every adapter of `ports.identity.Users` does, and of the sessions, tokens and shares that go with a user."""

from dataclasses import replace

from archimage.model.users import User
from archimage.ports.identity import Sessions, Shares, Tokens, Users
from tests.contract.credentials_contract import SESSION, SHARE, TOKEN

ANN = User(
    "ann", frozenset({"radiologist", "admin"}), "Dr Ann", password_hash="$argon2id$1", created_at=1, changed_at=1
)
BOB = User("bob", by_name=True, disabled=True, created_at=2, changed_at=2)


class UsersContract:
    """The tests."""

    def test_what_was_added_is_found_whole(self, users: Users) -> None:
        assert users.add(BOB)
        assert users.add(ANN)
        assert list(users.all()) == [ANN, BOB]
        assert (users.get("ann"), users.get("nobody"), users.count()) == (ANN, None, 2)

    def test_a_name_is_kept_once_and_the_first_stays(self, users: Users) -> None:
        assert users.add(ANN)
        assert not users.add(replace(BOB, name="ann"))
        assert list(users.all()) == [ANN]

    def test_a_change_keeps_when_he_was_created(self, users: Users) -> None:
        users.add(ANN)
        changed = replace(BOB, name="ann", created_at=9, changed_at=9)
        assert users.change(changed)
        assert users.get("ann") == replace(changed, created_at=1)

    def test_who_is_not_there_is_neither_changed_nor_removed(self, users: Users) -> None:
        assert not users.change(ANN)
        assert not users.remove("ann")
        assert users.count() == 0

    def test_with_a_user_goes_all_that_is_his(
        self, users: Users, sessions: Sessions, tokens: Tokens, shares: Shares
    ) -> None:
        users.add(ANN)
        users.add(BOB)
        for number, owner in enumerate(("ann", "bob")):
            sessions.add(replace(SESSION, digest=f"a{number}", user=owner), 9)
            tokens.add(replace(TOKEN, digest=f"b{number}", owner=owner))
            shares.add(replace(SHARE, digest=f"c{number}", owner=owner))
        assert users.remove("ann")
        assert [one.user for one in sessions.all()] == ["bob"]
        assert [one.owner for one in tokens.all()] == ["bob"]
        assert [one.owner for one in shares.all()] == ["bob"]

    def test_what_no_database_takes_is_cleaned(self, users: Users) -> None:
        assert users.add(replace(ANN, description="a\0b\ud800"))
        assert users.all()[0].description == "ab?"
