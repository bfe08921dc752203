"""The settings of who may do what, and who may prove who he is: `access` and `access.oidc` of `config`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator

from archimage.config_kinds import Count, Names, Seconds, Section


class OidcConfig(Section):
    """A provider of OpenID Connect that people log in with (docs/users.md)."""

    issuer: str = Field(
        default="",
        pattern=r"^(https://[^?#\s@]+|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?(/[^?#\s@]*)?)?$",
        description="Issuer of the provider, `https://` but for one on this machine; empty: none.",
    )
    client_id: str = Field(default="", description="What the provider knows this archive by.")
    client_secret: SecretStr = Field(default=SecretStr(""), description="Its secret there; empty: a public client.")
    name: str = Field(default="Single sign-on", max_length=64, description="What the button on the login page says.")
    scopes: Names = Field(default=("openid", "profile"), description="Scopes that are asked for; `openid` is one.")
    audience: str = Field(default="", description="Audience of access tokens of programs; empty: `client_id`.")
    user_claim: str = Field(
        default="preferred_username", min_length=1, description="Claim that names the user, in any case of letters."
    )
    roles_claim: str = Field(
        default="roles", min_length=1, description="Claim that has his groups or roles there; dots lead into objects."
    )
    roles: Mapping[str, str] = Field(default={}, description="Group or role there to the role that it is here.")

    @model_validator(mode="after")
    def _is_known_there(self) -> "OidcConfig":
        if self.issuer and not self.client_id:
            raise ValueError("access.oidc.issuer needs access.oidc.client_id")
        if "openid" not in self.scopes:
            raise ValueError("access.oidc.scopes must hold `openid`")
        return self


class AccessConfig(Section):
    """Who may do what (docs/access.md), who may prove who he is, and how (docs/users.md)."""

    policy: Path = Field(
        default=Path("access.toml"), description="File of the rules; a relative path is one in the data directory."
    )
    identity: Literal["optional", "required"] = Field(
        default="optional",
        description="User identity of associations: `optional`, or `required`, and then it must be proved.",
    )
    operations_per_s: float = Field(
        default=0.0,
        ge=0,
        le=1_000_000,
        description="DIMSE requests of one peer or user each second, ten seconds' worth of them at once; 0: no limit.",
    )
    requests_per_s: float = Field(
        default=0.0,
        ge=0,
        description="Web requests of one user or address each second, ten seconds' worth of them at once; 0: no limit.",
    )
    session_idle_s: Seconds = Field(default=3_600.0, description="Time after which an unused session is over, seconds.")
    session_s: Seconds = Field(default=43_200.0, description="Time after which any session is over, seconds.")
    password_length: int = Field(default=12, ge=8, le=128, description="Characters that a password has at least.")
    lockout_failures: Count = Field(
        default=5, description="Logins of one user that fail in a row before he has to wait."
    )
    lockout_address_failures: int = Field(
        default=50, ge=0, description="The same from one address, whoever is tried; 0: no limit, as behind a proxy."
    )
    lockout_s: Seconds = Field(
        default=30.0, description="First wait, seconds; each failure after it doubles the next one."
    )
    lockout_most_s: Seconds = Field(default=900.0, description="Longest wait, seconds.")
    oidc: OidcConfig = OidcConfig()
