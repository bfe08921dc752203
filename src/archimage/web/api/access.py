"""`/api/v1/access`: the rules of who may do what, and what somebody may do by them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from archimage.model.access import NOBODY, Extent, Grant, Principal
from archimage.model.callers import current
from archimage.services import policy
from archimage.web.api.resources import Services, failing

MAX_TEXT: Final = 1 << 20
Names = Annotated[list[str], Field(default_factory=list, max_length=64)]


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules that hold: those of a file, or those that users bring; where nobody made any, everybody may do all."""

    source: Literal["nobody", "users", "file"]
    rules: Sequence[Mapping[str, Any]]
    text: str
    """The same as the file has it, TOML."""


class NewPolicy(BaseModel):
    """Rules that are to hold."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=MAX_TEXT, description="The rules, as the file has them (docs/access.md).")


class Somebody(BaseModel):
    """Somebody as rules see him."""

    model_config = ConfigDict(extra="forbid")

    address: str = Field("", max_length=64, description="IP address.")
    ae_title: str = Field("", max_length=16, description="Calling AE title.")
    user: str = Field("", max_length=64, description="Name of a user.")
    token: str = Field("", max_length=64, description="Name of a token.")
    roles: Names
    certificate: Names

    def principal(self) -> Principal:
        """Return him as access control takes him."""
        roles, names = frozenset(self.roles), frozenset(name.lower() for name in self.certificate)
        return Principal(self.address, self.ae_title, names, self.user, roles, self.token)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What somebody may do of an operation; within lists the parts of the archive that it is for, none for all."""

    operation: str
    within: Sequence[Mapping[str, Sequence[str]]]
    destinations: Sequence[str] | None


def get_policy(services: Services) -> Policy:
    """Tell the rules that hold."""
    access = services.access
    source: Literal["nobody", "users", "file"] = "nobody" if access.is_open else "users"
    return Policy("file" if access.has_policy else source, policy.tables(access.rules), access.text)


def put_policy(wanted: NewPolicy, services: Services) -> Policy:
    """Have other rules hold from now on; refused where they would not let whoever asks change them again."""
    caller = current()
    services.access.replace(wanted.text, NOBODY if caller is None else caller.principal)
    return get_policy(services)


def explain(somebody: Somebody, services: Services) -> Sequence[Allowed]:
    """Tell what somebody may do by the rules that hold."""
    return [_allowed(grant) for grant in services.access.rights(somebody.principal())]


def _allowed(grant: Grant) -> Allowed:
    extent: Extent = grant.within[0] if grant.within else ()
    destinations = None if grant.destinations is None else sorted(grant.destinations)
    operation = "" if grant.operation is None else grant.operation.value
    return Allowed(operation, [policy.table_of(scope) for scope in extent], destinations)


def router() -> APIRouter:
    """Return the resources."""
    found = APIRouter(tags=["access"], responses=failing(400, 401, 403))
    found.add_api_route("/access", get_policy, methods=["GET"])
    found.add_api_route("/access", put_policy, methods=["PUT"], responses=failing(409, 500, 507))
    found.add_api_route("/access/explain", explain, methods=["POST"])
    return found
