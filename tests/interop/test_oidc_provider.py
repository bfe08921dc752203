"""Logging in with a real provider, the npm package oidc-provider in node, and an access token of it as Bearer."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urljoin

import pytest
import requests
from pydantic import SecretStr

from archimage.config import Config, DicomConfig, HttpConfig, StorageConfig
from archimage.config_access import AccessConfig, OidcConfig
from tests.interop.javascript import node
from tests.interop.peers import free_port, listener
from tests.web.serving import Client, serving

_SCRIPT: Final = Path(__file__).with_name("oidc_provider.mjs")
_SECRET: Final = "a secret of the archive, 32 bytes"


@contextmanager
def providing(tmp_path: Path, redirect: str) -> Iterator[str]:
    """Run a provider that knows one address of ours; give its issuer."""
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    with listener([node("oidc-provider"), _SCRIPT, issuer, redirect, _SECRET], port, tmp_path / "provider.log"):
        yield issuer


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Client, str]]:
    """Our server, which is known to the provider by its public address, and the provider's issuer."""
    public = "http://127.0.0.1:9"  # nothing is there: the test brings the answer to where the server is
    with providing(tmp_path, f"{public}/login/oidc/callback") as issuer:
        settings = Config(
            dicom=DicomConfig(port=0),
            http=HttpConfig(port=0, public_url=public),
            storage=StorageConfig(directory=tmp_path / "data", durability="os"),
            access=AccessConfig(
                oidc=OidcConfig(
                    issuer=issuer,
                    client_id="archive",
                    client_secret=SecretStr(_SECRET),
                    audience="urn:archive",
                    roles_claim="groups",
                    roles={"pacs-admins": "admin"},
                )
            ),
        )
        with serving(settings) as client:
            yield client, issuer


def logged_in_there(browser: requests.Session, address: str) -> str:
    """Do what a person does at the provider; return the address that it leads back to."""
    answer = browser.get(address, allow_redirects=False, timeout=20)
    for _ in range(12):
        if answer.is_redirect:
            address = urljoin(address, answer.headers["Location"])
            if ":9/" in address:
                return address
            answer = browser.get(address, allow_redirects=False, timeout=20)
        else:
            prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
            action = re.search(r'action="([^"]+)"', answer.text)
            assert prompt is not None, answer.text
            assert action is not None
            address = urljoin(address, action[1])
            form = {"prompt": prompt[1], "login": "alice-1", "password": "any"}
            answer = browser.post(address, form, allow_redirects=False, timeout=20)
    raise AssertionError("the provider leads nowhere")


def test_somebody_logs_in_with_the_provider_and_out_again(served: tuple[Client, str]) -> None:
    client, _ = served
    begun = client.ask("/login/oidc?next=/studies/1.2")
    assert begun.status == 303
    kept = begun.headers["set-cookie"].partition(";")[0]
    back = logged_in_there(requests.Session(), begun.headers["location"])
    path = back.partition(":9")[2]
    ended = client.ask(path, cookie=kept)
    assert (ended.status, ended.headers["location"]) == (303, "/studies/1.2"), ended.body.decode()
    session = re.search(r"archimage-session=[^;]+", ended.headers["set-cookie"])
    assert session is not None
    me = client.ask("/api/v1/me", cookie=session[0]).json
    assert (me["user"], me["roles"]) == ("alice", ["admin"])
    assert client.ask(path).status == 401, "the answer is of no use in another browser"
    assert client.ask(path, cookie=kept).status == 503, "nor a second time"
    assert client.ask("/logout", "POST", cookie=session[0]).status == 303
    assert client.ask("/api/v1/me", cookie=session[0]).status == 401


def test_a_program_comes_with_an_access_token_of_the_provider(served: tuple[Client, str]) -> None:
    client, issuer = served
    answer = requests.post(
        f"{issuer}/token", {"grant_type": "client_credentials"}, auth=("archive", _SECRET), timeout=20
    )
    token = answer.json()["access_token"]
    me = client.ask("/api/v1/me", authorization=f"Bearer {token}").json
    assert (me["user"], me["roles"]) == ("alice", ["admin"])
    assert client.ask("/api/v1/me", authorization=f"Bearer {token[:-9]}AAAAAAAAA").status == 401
