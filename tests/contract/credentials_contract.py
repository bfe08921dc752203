"""What every adapter of `ports.identity.Sessions`, `Tokens` and `Shares` does."""

from dataclasses import replace

from archimage.model.access import Operation, Restriction, Scope
from archimage.model.users import ApiToken, Session, Share
from archimage.ports.identity import Sessions, Shares, Tokens

SESSION = Session("d" * 64, "ann", "192.0.2.1", 10.0, 10.0, 1000.0, from_provider=True, roles=frozenset({"reader"}))
SCOPE = Scope(frozenset({"P"}), frozenset({"1.2"}), frozenset({"trial"}), frozenset({"CT", "MR"}))
TOKEN = ApiToken(
    "e" * 64, "uploads", "ann", Restriction(frozenset({Operation.STORE, Operation.QUERY}), SCOPE), 5.0, 99.0
)
SHARE = Share("f" * 64, "1.2.3", "ann", 20.0, 50.0, from_provider=True, roles=frozenset({"reader"}))


class SessionsContract:
    """The tests of sessions."""

    def test_a_session_is_found_by_its_digest_alone(self, sessions: Sessions) -> None:
        sessions.add(SESSION, 5)
        assert sessions.get(SESSION.digest) == SESSION
        assert sessions.get(SESSION.id) is None
        assert list(sessions.all()) == [SESSION]

    def test_use_is_noted(self, sessions: Sessions) -> None:
        sessions.add(SESSION, 5)
        sessions.use(SESSION.digest, 77.0)
        assert sessions.get(SESSION.digest) == replace(SESSION, used_at=77.0)

    def test_only_the_newest_of_a_user_stay(self, sessions: Sessions) -> None:
        sessions.add(replace(SESSION, digest="other", user="bob"), 2)
        for number in range(4):
            sessions.add(replace(SESSION, digest=f"{number}", created_at=20.0 + number), 2)
        assert [one.digest for one in sessions.all()] == ["3", "2", "other"]

    def test_a_session_is_forgotten_once(self, sessions: Sessions) -> None:
        sessions.add(SESSION, 5)
        assert sessions.remove(SESSION.digest)
        assert not sessions.remove(SESSION.digest)
        assert sessions.get(SESSION.digest) is None

    def test_all_of_a_user_go_but_the_one_that_is_to_stay(self, sessions: Sessions) -> None:
        for digest, user in (("1", "ann"), ("2", "ann"), ("3", "bob")):
            sessions.add(replace(SESSION, digest=digest, user=user), 5)
        sessions.remove_of("ann", but="2")
        assert {one.digest for one in sessions.all()} == {"2", "3"}

    def test_what_is_over_is_cleaned_away(self, sessions: Sessions) -> None:
        sessions.add(replace(SESSION, digest="idle", used_at=10.0), 5)
        sessions.add(replace(SESSION, digest="over", used_at=90.0, expires_at=95.0), 5)
        sessions.add(replace(SESSION, digest="good", used_at=90.0), 5)
        sessions.clean(50.0, 95.0)
        assert [one.digest for one in sessions.all()] == ["good"]


class TokensContract:
    """The tests of tokens."""

    def test_a_token_is_found_whole_by_its_digest_alone(self, tokens: Tokens) -> None:
        unlimited = replace(TOKEN, digest="2", name="all", restriction=Restriction(), expires_at=None)
        nothing = replace(TOKEN, digest="3", name="none", restriction=Restriction(frozenset()))
        for token in (TOKEN, unlimited, nothing):
            assert tokens.add(token)
        assert [tokens.get(one.digest) for one in (TOKEN, unlimited, nothing)] == [TOKEN, unlimited, nothing]
        assert tokens.get(TOKEN.id) is None
        assert [one.name for one in tokens.all()] == ["all", "none", "uploads"]

    def test_an_owner_has_one_token_of_a_name(self, tokens: Tokens) -> None:
        assert tokens.add(TOKEN)
        assert not tokens.add(replace(TOKEN, digest="2"))
        assert tokens.add(replace(TOKEN, digest="3", owner="bob"))

    def test_a_token_is_forgotten_once(self, tokens: Tokens) -> None:
        tokens.add(TOKEN)
        assert tokens.remove(TOKEN.digest)
        assert not tokens.remove(TOKEN.digest)
        assert list(tokens.all()) == []


class SharesContract:
    """The tests of shares."""

    def test_a_share_is_found_by_its_digest_alone(self, shares: Shares) -> None:
        shares.add(SHARE)
        assert shares.get(SHARE.digest) == SHARE
        assert shares.get(SHARE.id) is None

    def test_the_newest_come_first_and_what_is_over_goes(self, shares: Shares) -> None:
        shares.add(SHARE)
        shares.add(replace(SHARE, digest="2", created_at=30.0, expires_at=60.0))
        assert [one.digest for one in shares.all()] == ["2", SHARE.digest]
        shares.clean(50.0)
        assert [one.digest for one in shares.all()] == ["2"]

    def test_a_share_is_forgotten_once(self, shares: Shares) -> None:
        shares.add(SHARE)
        assert shares.remove(SHARE.digest)
        assert not shares.remove(SHARE.digest)
