"""Logging in and out, by password or by the provider of OpenID Connect, and following the link of a share.

Whoever logs in gets a new session; what his browser had before is over. A page that he wanted to see is where he is led
afterwards, if it is one of this server.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, Protocol
from urllib.parse import parse_qs, quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from archimage.errors import ArchimageError, NotAuthenticatedError
from archimage.logger import logger
from archimage.services.oidc import STARTED_FOR_S, OidcClient, Started
from archimage.web import cookies, errors
from archimage.web.authenticated import LOGIN, address_of, is_loopback
from archimage.web.hosts import address_of as own_address
from archimage.web.management import ApiServices

SEGMENTS: Final = ("logout", "share")
"""First segments of the addresses that are no pages."""
_CALLBACK: Final = f"{LOGIN}/oidc/callback"
_MAX_NEXT: Final = 2_000
_PLAIN: Final = "A password is not taken over plain HTTP. Open this page over HTTPS, or on the server's own machine."
_log = logger("security")


class Write(Protocol):
    """Writes a template, with what is shown in it."""

    def __call__(
        self, request: Request, template: str, shown: dict[str, Any], status: HTTPStatus = HTTPStatus.OK
    ) -> Response:
        """Return the page."""


Handle = Callable[[Request, Mapping[str, str]], Response]
"""Answers a request, given what was filled in; blocks."""


class Login:
    """Answers what has to do with logging in; all of it blocks."""

    def __init__(self, services: ApiServices, write: Write, public_url: str) -> None:
        self._services = services
        self._write = write
        self._public_url = public_url

    def page(self, request: Request, _form: Mapping[str, str]) -> Response:
        """Show the login page; a session that is over is forgotten."""
        response = self._page(request, local(request.query_params.get("next", "")))
        secure = self._is_secure(request)
        session = cookies.read(request.scope, "session", secure=secure)
        if session:
            try:
                self._services.identity.by_session(session)
            except NotAuthenticatedError:
                cookies.take(response, "session", secure=secure)
        return response

    def login(self, request: Request, form: Mapping[str, str]) -> Response:
        """Begin a session of whoever knows a password."""
        leading_to, user = local(form.get("next", "")), form.get("user", "")
        if not self._takes_passwords(request):
            return self._page(request, leading_to, _PLAIN, user, HTTPStatus.FORBIDDEN)
        try:
            secret = self._services.identity.login(user, form.get("password", ""), address_of(request.scope))
        except ArchimageError as error:
            return self._page(request, leading_to, _words(error), user, errors.answer_to(error).status)
        return self._begun(request, secret, leading_to)

    def logout(self, request: Request, _form: Mapping[str, str]) -> Response:
        """End the session, and forget whatever the browser was known by."""
        secure = self._is_secure(request)
        secret = cookies.read(request.scope, "session", secure=secure)
        if secret:
            self._services.identity.logout(secret, address_of(request.scope))
        response = RedirectResponse(LOGIN, HTTPStatus.SEE_OTHER)
        cookies.take(response, "session", secure=secure)
        cookies.take(response, "share", secure=secure)
        return response

    def to_provider(self, request: Request, _form: Mapping[str, str]) -> Response:
        """Send a browser to the provider."""
        leading_to = local(request.query_params.get("next", ""))
        try:
            address, started = self._oidc().begin(self._callback(request), leading_to)
        except ArchimageError as error:
            return self._failed(request, error, leading_to)
        response = RedirectResponse(address, HTTPStatus.SEE_OTHER)
        cookies.give(response, "login", started.encode(), STARTED_FOR_S, secure=self._is_secure(request))
        return response

    def from_provider(self, request: Request, _form: Mapping[str, str]) -> Response:
        """Begin a session of whoever the provider says has logged in there."""
        secure, leading_to = self._is_secure(request), "/"
        try:
            started = Started.decode(cookies.read(request.scope, "login", secure=secure))
            leading_to = local(started.next)
            principal = self._oidc().finish(dict(request.query_params), started, self._callback(request))
            secret = self._services.identity.login_from_provider(principal, address_of(request.scope))
        except ArchimageError as error:
            response = self._failed(request, error, leading_to)
        else:
            response = self._begun(request, secret, leading_to)
        cookies.take(response, "login", secure=secure)
        return response

    def share(self, request: Request, _form: Mapping[str, str]) -> Response:
        """Let in whoever follows the link of a share, and lead him to its study."""
        secret = request.path_params["secret"]
        try:
            self._services.identity.by_share(secret)  # whoever made it may be gone
            share = self._services.identity.shares.find(secret)
        except NotAuthenticatedError as error:
            shown = {"status": HTTPStatus.NOT_FOUND, "message": str(error), "next_step": error.next_step}
            return self._write(request, "problem.html", shown, HTTPStatus.NOT_FOUND)
        response = RedirectResponse(f"/viewer?study={share.study_instance_uid}", HTTPStatus.SEE_OTHER)
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-store"
        lasting_s = share.expires_at - share.created_at
        cookies.give(response, "share", secret, lasting_s, secure=self._is_secure(request))
        return response

    def _oidc(self) -> OidcClient:
        if self._services.oidc is None:
            raise NotAuthenticatedError("no provider of OpenID Connect is set", next_step="Log in with a password.")
        return self._services.oidc

    def _begun(self, request: Request, secret: str, leading_to: str) -> Response:
        """Have the browser keep its new session, and end the one that it had."""
        secure, identity = self._is_secure(request), self._services.identity
        before = cookies.read(request.scope, "session", secure=secure)
        if before:
            identity.logout(before, address_of(request.scope))
        response = RedirectResponse(leading_to, HTTPStatus.SEE_OTHER)
        response.headers["Cache-Control"] = "no-store"
        cookies.give(response, "session", secret, identity.sessions.lasting_s, secure=secure)
        cookies.take(response, "share", secure=secure)
        return response

    def _failed(self, request: Request, error: ArchimageError, leading_to: str) -> Response:
        """Show why the provider's login did not work."""
        _log.warning("a login by the provider has failed", reason=str(error))
        return self._page(request, leading_to, _words(error), "", errors.answer_to(error).status)

    def _page(
        self,
        request: Request,
        leading_to: str,
        problem: str = "",
        user: str = "",
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        oidc = self._services.oidc
        shown = {
            "next": leading_to,
            "problem": problem,
            "user": user[:64],
            "takes_passwords": self._takes_passwords(request),
            "plain": _PLAIN,
            "provider": oidc.name if oidc else "",
            "provider_address": f"{LOGIN}/oidc?next={quote(leading_to, safe='')}",
        }
        return self._write(request, "login.html", shown, status)

    def _callback(self, request: Request) -> str:
        return own_address(request.scope, self._public_url) + _CALLBACK

    def _is_secure(self, request: Request) -> bool:
        return cookies.is_secure(request.scope, self._public_url)

    def _takes_passwords(self, request: Request) -> bool:
        return self._is_secure(request) or is_loopback(address_of(request.scope))


def routes(services: ApiServices, write: Write, public_url: str) -> list[Route]:
    """Return the addresses."""
    login = Login(services, write, public_url)
    return [
        Route(LOGIN, _endpoint(login.page), methods=["GET"]),
        Route(LOGIN, _endpoint(login.login), methods=["POST"]),
        Route("/logout", _endpoint(login.logout), methods=["POST"]),
        Route(f"{LOGIN}/oidc", _endpoint(login.to_provider), methods=["GET"]),
        Route(_CALLBACK, _endpoint(login.from_provider), methods=["GET"]),
        Route("/share/{secret}", _endpoint(login.share), methods=["GET"]),
    ]


def local(address: str) -> str:
    """Return an address of this server, as it was asked for or else that of the study list: never another server's."""
    fine = address.startswith("/") and address.isprintable() and len(address) <= _MAX_NEXT
    if not fine or address[1:2] in {"/", "\\"} or address.startswith((LOGIN, "/logout")):
        return "/"
    return address


def _endpoint(handle: Handle) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        body = b"" if request.method == "GET" else await request.body()
        return await run_in_threadpool(handle, request, _filled_in(body))

    return endpoint


def _filled_in(body: bytes) -> Mapping[str, str]:
    """Read a form; of a field that comes twice the last counts."""
    try:
        return {name: values[-1] for name, values in parse_qs(body.decode("utf-8"), max_num_fields=20).items()}
    except ValueError:
        return {}


def _words(error: ArchimageError) -> str:
    message, next_step = errors.explain(error)
    return f"{message[:1].upper()}{message[1:]}. {next_step}"
