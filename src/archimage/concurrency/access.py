"""What there may be of users and of what proves who they are."""

from typing import Final

from archimage.concurrency.entry import Entry
from archimage.index import failures
from archimage.services import access as deciding
from archimage.services import accounts, oidc_keys, passwords, policy, sessions, tokens
from archimage.web import fetching

_FULL: Final = "Answered 507."
_WRONG: Final = "Answered 400, or told by the command."

ACCESS: Final = (
    Entry("users", "limit", "users of the archive", _FULL, accounts.MAX_USERS),
    Entry(
        "sessions of a user",
        "limit",
        "places where one user is logged in",
        "The one that was used least lately is over.",
        sessions.MAX_OF_USER,
    ),
    Entry("tokens of a user", "limit", "API tokens of one user", _FULL, tokens.MAX_TOKENS_OF_USER),
    Entry("shares", "limit", "links that are valid", _FULL, tokens.MAX_SHARES),
    Entry(
        "parts of a token",
        "limit",
        "patients, studies, labels or modalities that one token is limited to",
        _WRONG,
        tokens.MAX_VALUES,
    ),
    Entry("life of a token or share", "limit", "time that one is valid", _WRONG, tokens.MAX_LASTING_S, unit="seconds"),
    Entry(
        "passwords checked",
        "limit",
        "passwords that are checked at once, each with 64 MiB",
        "Others wait; of too many that wait the rest are answered 503, and associations rejected.",
        passwords.AT_ONCE,
    ),
    Entry("length of a password", "limit", "characters", _WRONG, passwords.MAX_LENGTH),
    Entry(
        "proved passwords",
        "cache",
        "passwords that were checked lately and are sent with every request",
        "The oldest is checked again.",
        passwords.MAX_PROVED,
    ),
    Entry(
        "failed logins",
        "limit",
        "users and addresses of whom failures are counted",
        "The oldest is forgotten.",
        failures.MAX_ROWS,
    ),
    Entry("access rules", "limit", "rules of the access policy", "The policy is not taken.", policy.MAX_RULES),
    Entry("values of a rule", "limit", "values of one kind in a rule", "The policy is not taken.", policy.MAX_VALUES),
    Entry(
        "rights",
        "cache",
        "principals whose rights are known for a second",
        "Those of others are worked out each time.",
        deciding.REMEMBERED,
    ),
    Entry(
        "keys of a provider",
        "limit",
        "keys of the provider of OpenID Connect",
        "Further ones are not known.",
        oidc_keys.MAX_KEYS,
    ),
    Entry(
        "answer of a provider",
        "limit",
        "bytes that the provider of OpenID Connect may answer",
        "The login fails.",
        fetching.MAX_BYTES,
        unit="bytes",
    ),
)
