"""Logging in and out over HTTP, what requests come with, and links to single studies."""

import asyncio
import base64
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from archimage.app import App, build
from archimage.config import Config
from archimage.errors import NotAuthenticatedError, NotAuthorisedError
from archimage.model.access import Operation, Principal, Restriction
from archimage.services.accounts import UserChange
from archimage.threads import WorkerThreads
from archimage.web.authenticated import Authenticator
from archimage.web.pages.login import local
from tests.services.archive import records
from tests.web.serving import Answer, Client, config, serving

PASSWORD = "four words nobody expects"
SESSION = re.compile(r"archimage-session=([^;]+)")


@dataclass(frozen=True)
class Archive:
    """A server with two users, a token and a share of study 1.2."""

    client: Client
    token: str
    share: str

    def login(self, user: str = "ann", password: str = PASSWORD, leading_to: str = "", **headers: str) -> Answer:
        """Fill in the login page."""
        form = urlencode({"user": user, "password": password, "next": leading_to}).encode()
        return self.client.ask("/login", "POST", form, Content_Type="application/x-www-form-urlencoded", **headers)

    def session(self, user: str = "ann") -> str:
        """Log in; return the cookie."""
        found = SESSION.search(self.login(user).headers["set-cookie"])
        assert found is not None
        return found[0]

    def ask(self, headers: Mapping[str, str], path: str, method: str = "GET", body: str = "") -> Answer:
        """Ask the management API, with a body in JSON."""
        told = {"Content-Type": "application/json", **headers}
        return self.client.ask(f"/api/v1{path}", method, body.encode() or None, **told)

    def me(self, **headers: str) -> Any:
        """Ask who one is."""
        return self.ask(headers, "/me").json


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Serve it."""
    settings = config(tmp_path_factory.mktemp("archive"))
    with closing(build(settings)) as app:
        token, share = prepared(app)
    with serving(settings, records()) as client:
        yield Archive(client, token, share)


def prepared(app: App) -> tuple[str, str]:
    """Enter users; return an API token and a share's secret."""
    identity = app.identity
    identity.users.add("root", UserChange(PASSWORD, ["administrator"]))
    ann = identity.users.add("ann", UserChange(PASSWORD, ["reader"]))
    token = identity.tokens.issue("root", "searches", Restriction(frozenset({Operation.QUERY})))
    return token.secret, identity.shares.make("1.2", 600.0, Principal(user=ann.name)).secret


def basic(user: str, password: str) -> str:
    """Write the header of a name and a password."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def test_without_a_login_nothing_is_given_and_people_are_led_to_the_page(archive: Archive) -> None:
    assert archive.client.ask("/dicom-web/studies").status == 401
    refused = archive.client.ask("/api/v1/studies")
    assert (refused.status, refused.headers["www-authenticate"]) == (401, 'Bearer realm="archimage"')
    led = archive.client.ask("/studies/1.2?x=1", Accept="text/html")
    assert (led.status, led.headers["location"]) == (303, "/login?next=%2Fstudies%2F1.2%3Fx%3D1")
    page = archive.client.ask(led.headers["location"], Accept="text/html")
    assert page.status == 200
    assert b'value="/studies/1.2?x=1"' in page.body


def test_a_login_leads_back_and_its_cookie_is_no_business_of_scripts(archive: Archive) -> None:
    answer = archive.login(leading_to="/studies/1.2")
    assert (answer.status, answer.headers["location"]) == (303, "/studies/1.2")
    cookie = answer.headers["set-cookie"].partition(", ")[0]
    assert {part.strip().lower() for part in cookie.split(";")[1:]} >= {"httponly", "samesite=lax", "path=/"}
    session = SESSION.search(cookie)
    assert session is not None
    assert archive.me(Cookie=session[0]) == {
        "user": "ann",
        "roles": ["reader"],
        "token": "",
        "address": "127.0.0.1",
        "can_change_password": True,
    }
    assert archive.client.ask("/studies/1.2", Cookie=session[0], Accept="text/html").status == 200


def test_a_wrong_password_shows_the_page_again_without_it(archive: Archive) -> None:
    answer = archive.login(password="not the <right> one", leading_to="/system")
    assert answer.status == 401
    assert b"the user name or the password is wrong" in answer.body.lower()
    assert b"not the" not in answer.body
    assert b'value="/system"' in answer.body
    assert "archimage-session" not in answer.headers.get("set-cookie", "")


def test_each_login_begins_a_session_and_ends_the_one_before(archive: Archive) -> None:
    first = archive.session()
    second = SESSION.search(archive.login(Cookie=first).headers["set-cookie"])
    assert second is not None
    assert second[0] != first
    assert archive.client.ask("/api/v1/me", Cookie=first).status == 401
    assert archive.me(Cookie=second[0])["user"] == "ann"


def test_logging_out_ends_the_session_for_good(archive: Archive) -> None:
    session = archive.session()
    answer = archive.client.ask("/logout", "POST", Cookie=session)
    assert (answer.status, answer.headers["location"]) == (303, "/login")
    assert 'archimage-session=""' in answer.headers["set-cookie"]
    assert archive.client.ask("/api/v1/me", Cookie=session).status == 401
    led = archive.client.ask("/", Cookie=session, Accept="text/html")
    assert (led.status, led.headers["location"]) == (303, "/login")
    assert 'archimage-session=""' in archive.client.ask("/login", Cookie=session).headers["set-cookie"]


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}],
)
def test_a_page_of_another_origin_can_neither_log_in_nor_out_nor_change_anything(
    archive: Archive, headers: Mapping[str, str]
) -> None:
    session = archive.session("root")
    assert archive.login(**headers).status in {400, 403}
    for method, path in (("POST", "/logout"), ("POST", "/api/v1/users"), ("DELETE", "/dicom-web/studies/9")):
        assert archive.client.ask(path, method, b"{}", Cookie=session, **headers).status in {400, 403}, path
    assert archive.me(Cookie=session)["user"] == "root"


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "evil.example",
        "",
        "/login?next=/login",
        "/logout",
        "/" + "x" * 3_000,
    ],
)
def test_no_login_leads_to_another_server(archive: Archive, address: str) -> None:
    assert local(address) == "/"
    assert archive.login(leading_to=address).headers["location"] == "/"


def test_programs_come_with_a_token_or_a_password_on_each_request(archive: Archive) -> None:
    me = archive.me(Authorization=f"Bearer {archive.token}")
    assert (me["user"], me["token"], me["can_change_password"]) == ("root", "searches", False)
    assert archive.client.ask("/dicom-web/studies", Authorization=f"Bearer {archive.token}").status == 200
    assert archive.client.ask("/dicom-web/studies/1.2", Authorization=f"Bearer {archive.token}").status == 403
    assert archive.me(Authorization=basic("ann", PASSWORD))["user"] == "ann"


@pytest.mark.parametrize(
    "header",
    [
        basic("ann", "wrong"),
        basic("nobody", PASSWORD),
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        "Bearer amt_wrong",
        "Bearer ey.ey.ey",
        "Bearer",
        "Digest x",
        "",
        "x" * 30_000,
    ],
)
def test_what_proves_nothing_is_refused_even_where_nothing_is_needed(archive: Archive, header: str) -> None:
    answer = archive.client.ask("/api/v1/me", Authorization=header)
    assert answer.status in {401, 431}
    assert archive.client.ask("/login", Authorization=header).status in {200, 431}


def test_a_token_is_not_a_user(archive: Archive) -> None:
    bearer = f"Bearer {archive.token}"
    for method, path, body in (
        ("GET", "/me/tokens", ""),
        ("POST", "/me/tokens", '{"name": "x"}'),
        ("GET", "/me/shares", ""),
    ):
        assert archive.ask({"Authorization": bearer}, path, method, body).status == 403


def test_a_link_shows_one_study_and_nothing_else(archive: Archive) -> None:
    answer = archive.client.ask(f"/share/{archive.share}")
    assert (answer.status, answer.headers["location"]) == (303, "/viewer?study=1.2")
    assert answer.headers["referrer-policy"] == "no-referrer"
    cookie = answer.headers["set-cookie"].partition(";")[0]
    assert archive.client.ask("/viewer?study=1.2", Cookie=cookie, Accept="text/html").status == 200
    found = archive.client.ask("/dicom-web/studies", Cookie=cookie).json
    assert [one["0020000D"]["Value"] for one in found] == [["1.2"]]
    assert archive.client.ask("/api/v1/users", Cookie=cookie).status == 403
    for path in ("/share/wrong", "/share/", f"/share/{archive.share[:-1]}"):
        assert archive.client.ask(path, Accept="text/html").status == 404


def test_a_session_comes_before_a_share_and_a_share_holds_where_the_session_is_over(archive: Archive) -> None:
    session, share = archive.session(), f"archimage-share={archive.share}"
    assert archive.me(Cookie=f"{share}; {session}")["token"] == ""
    assert archive.me(Cookie=f"{share}; archimage-session=over")["token"].startswith("share ")


def test_users_look_after_what_is_theirs_and_administrators_after_all(archive: Archive) -> None:
    ann = {"Cookie": archive.session()}
    root = {"Cookie": archive.session("root")}
    issued = archive.ask(ann, "/me/tokens", "POST", '{"name": "mine", "operations": ["query"]}')
    assert issued.status == 201
    assert archive.me(Authorization=f"Bearer {issued.json['secret']}")["token"] == "mine"
    listed = archive.ask(ann, "/me/tokens").json
    assert [(one["name"], one["operations"], one["secret"]) for one in listed] == [("mine", ["query"], "")]
    for path in ("/users", "/tokens", "/shares", "/sessions"):
        assert archive.ask(ann, path).status == 403
        assert archive.ask(root, path).status == 200
    others = archive.ask(root, "/tokens").json
    stranger = next(one["id"] for one in others if one["owner"] == "root")
    assert archive.ask(ann, f"/me/tokens/{stranger}", "DELETE").status == 404
    assert archive.ask(ann, f"/me/tokens/{issued.json['id']}", "DELETE").status == 204
    assert archive.client.ask("/api/v1/me", Authorization=f"Bearer {issued.json['secret']}").status == 401


def test_users_are_kept_over_the_api(archive: Archive) -> None:
    root = {"Cookie": archive.session("root")}
    new = '{"name": "carl", "password": "four words of carl alone", "roles": ["reader"]}'
    made = archive.ask(root, "/users", "POST", new)
    assert (made.status, made.headers["location"]) == (201, "/api/v1/users/carl")
    assert "password" not in {key for key in made.json if key != "has_password"}
    assert archive.ask(root, "/users", "POST", new).status == 409
    short = archive.ask(root, "/users/carl", "PATCH", '{"password": "sh0rt!"}')
    assert short.status == 400
    assert b"sh0rt!" not in short.body
    huge = archive.ask(root, "/users/carl", "PATCH", '{"password": "%s"}' % ("s3cret" * 900))
    assert huge.status == 400
    assert b"s3cret" not in huge.body
    assert archive.ask(root, "/users/carl", "PATCH", '{"disabled": true}').json["disabled"]
    assert archive.login("carl", "four words of carl alone").status == 401
    assert archive.ask(root, "/users/carl/sessions", "DELETE").status == 204
    assert archive.ask(root, "/users/carl", "DELETE").status == 204
    assert archive.ask(root, "/users/carl").status == 404


def test_somebody_changes_his_own_password_and_keeps_the_session_he_does_it_in(archive: Archive) -> None:
    root = {"Cookie": archive.session("root")}
    archive.ask(root, "/users", "POST", '{"name": "dora", "password": "four words nobody expects"}')
    mine, other = archive.session("dora"), archive.session("dora")
    headers = {"Cookie": mine}
    wrong = '{"old": "not the old one", "new": "four others of dora"}'
    assert archive.ask(headers, "/me/password", "PUT", wrong).status == 403
    right = '{"old": "four words nobody expects", "new": "four others of dora"}'
    assert archive.ask(headers, "/me/password", "PUT", right).status == 204
    assert archive.me(Cookie=mine)["user"] == "dora"
    assert archive.client.ask("/api/v1/me", Cookie=other).status == 401
    assert archive.login("dora", "four others of dora").status == 303


def test_a_study_is_shared_as_far_as_one_sees_it_and_the_link_can_be_taken_back(archive: Archive) -> None:
    ann = {"Cookie": archive.session()}
    assert archive.ask(ann, "/shares", "POST", '{"study_instance_uid": "9.9.9"}').status == 404
    made = archive.ask(ann, "/shares", "POST", '{"study_instance_uid": "1.2", "days": 1}')
    assert made.status == 201
    assert archive.client.ask(made.json["path"]).status == 303
    assert made.json["id"] in {one["id"] for one in archive.ask(ann, "/me/shares").json}
    assert archive.ask(ann, f"/me/shares/{made.json['id']}", "DELETE").status == 204
    assert archive.client.ask(made.json["path"]).status == 404


@dataclass
class Scoped:
    """What tells who sends requests, to a server at a public address."""

    app: App
    threads: WorkerThreads

    def __call__(
        self, scheme: str, address: str, public_url: str = "", method: str = "GET", **headers: str
    ) -> Principal:
        """Tell who sends one."""
        scope: dict[str, Any] = {"scheme": scheme, "client": (address, 1), "method": method}
        scope["headers"] = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        authenticator = Authenticator(self.app.identity, self.threads, public_url)

        async def ask() -> Principal:
            return await authenticator.principal(scope)

        return asyncio.run(ask())


@pytest.fixture
def sent_by(tmp_path: Path) -> Iterator[Scoped]:
    """Open an archive with users, and threads."""
    settings: Config = config(tmp_path)
    with closing(build(settings)) as app, closing(WorkerThreads(1, "web")) as threads:
        prepared(app)
        yield Scoped(app, threads)


def test_a_password_is_taken_over_https_or_from_this_machine_alone(sent_by: Scoped) -> None:
    header = {"Authorization": basic("ann", PASSWORD)}
    assert sent_by("https", "192.0.2.1", **header).user == "ann"
    assert sent_by("http", "127.0.0.1", **header).user == "ann"
    assert sent_by("http", "::1", **header).user == "ann"
    assert sent_by("http", "192.0.2.1", "https://archive.example", **header).user == "ann"
    for public_url in ("", "http://archive.example"):
        with pytest.raises(NotAuthenticatedError, match="plain HTTP"):
            sent_by("http", "192.0.2.1", public_url, **header)


def test_over_https_only_a_cookie_counts_that_no_other_server_can_have_set(sent_by: Scoped) -> None:
    secret = sent_by.app.identity.login("ann", PASSWORD, "192.0.2.1")
    assert sent_by("https", "192.0.2.1", Cookie=f"x=1; __Host-archimage-session={secret}").user == "ann"
    assert sent_by("https", "192.0.2.1", Cookie=f"archimage-session={secret}") == Principal("192.0.2.1")
    assert sent_by("http", "192.0.2.1", Cookie=f"__Host-archimage-session={secret}") == Principal("192.0.2.1")


def test_a_cookie_changes_nothing_for_a_page_of_another_origin(sent_by: Scoped) -> None:
    secret = sent_by.app.identity.login("ann", PASSWORD, "192.0.2.1")
    headers = {"Host": "archive.example", "Cookie": f"archimage-session={secret}", "Origin": "http://viewer.example"}
    assert sent_by("http", "192.0.2.1", **headers).user == "ann"
    with pytest.raises(NotAuthorisedError, match="another origin"):
        sent_by("http", "192.0.2.1", method="POST", **headers)
    assert sent_by("http", "192.0.2.1", method="POST", **{**headers, "Origin": "http://archive.example"}).user == "ann"
