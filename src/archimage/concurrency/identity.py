"""What proving who somebody is may cost, and how many users and secrets are kept."""

from typing import Final

from archimage.concurrency.entry import Entry
from archimage.index import failures
from archimage.model import users
from archimage.services import accounts, oidc_keys, oidc_tokens, passwords, sessions, tokens
from archimage.web import fetching

_FULL: Final = "Answered 507; remove one first."

IDENTITY: Final = (
    Entry(
        "passwords checked at once",
        "limit",
        "hashes (Argon2id) that are computed at once, each in 64 MiB",
        "The next ones wait.",
        passwords.AT_ONCE,
    ),
    Entry(
        "passwords that wait",
        "limit",
        "logins that wait for a hash",
        "Answered 503 with Retry-After; nothing is counted against the user.",
        passwords.WAITING,
    ),
    Entry(
        "proved passwords",
        "cache",
        "passwords that were right in the last 5 minutes, as keyed hashes",
        "The oldest is forgotten, and its next request costs a hash.",
        passwords.MAX_PROVED,
        harmless=True,
    ),
    Entry("length of a password", "limit", "characters", "Answered 400.", passwords.MAX_LENGTH),
    Entry(
        "failed logins",
        "limit",
        "users and addresses whose failed logins are remembered",
        "The oldest are forgotten.",
        failures.MAX_ROWS,
        shared=True,
        harmless=True,
    ),
    Entry("users", "limit", "users of this archive", _FULL, accounts.MAX_USERS, shared=True),
    Entry("roles of a user", "limit", "roles that a user has", "Answered 400.", users.MAX_ROLES),
    Entry(
        "sessions of a user", "limit", "browsers where a user is logged in", "The oldest is over.", sessions.MAX_OF_USER
    ),
    Entry("API tokens of a user", "limit", "API tokens of one user", _FULL, tokens.MAX_TOKENS_OF_USER),
    Entry(
        "scope of an API token",
        "limit",
        "values of a kind that a token is limited to",
        "Answered 400.",
        tokens.MAX_VALUES,
    ),
    Entry("shares", "limit", "links to studies that are not over", _FULL, tokens.MAX_SHARES, shared=True),
    Entry(
        "life of a share",
        "limit",
        "time after which a link, or a token that is not for ever, is over",
        "Answered 400.",
        tokens.MAX_LASTING_S,
        unit="seconds",
    ),
    Entry(
        "answer of the provider",
        "limit",
        "length of what a provider of OpenID Connect answers",
        "The login fails, answered 503.",
        fetching.MAX_BYTES,
        unit="bytes",
    ),
    Entry(
        "wait for the provider",
        "limit",
        "time that it may take to answer",
        "The login fails, answered 503.",
        fetching.WITHIN_S,
        unit="seconds",
    ),
    Entry("keys of the provider", "limit", "keys that it may tell of", "None of them is believed.", oidc_keys.MAX_KEYS),
    Entry("token of the provider", "limit", "characters of a JWT", "Answered 401.", oidc_tokens.MAX_LENGTH),
)
