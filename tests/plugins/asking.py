"""Asking a real server how its plugins fare."""

import json
import urllib.request
from collections.abc import Mapping
from typing import Any, Final

from tests.attacks.server import Server, wait_until

WITHIN_S: Final = 20.0


def ask(server: Server, path: str, method: str = "GET") -> Any:
    """Ask for JSON over HTTP."""
    asked = urllib.request.Request(f"http://127.0.0.1:{server.http_port}{path}", method=method)
    with urllib.request.urlopen(asked, timeout=20) as answer:  # noqa: S310
        return json.loads(answer.read() or b"null")


def plugin(server: Server, name: str) -> Mapping[str, Any]:
    """Return how a plugin fares."""
    found: Mapping[str, Any] = ask(server, f"/api/v1/plugins/{name}")
    return found


def is_in_state(server: Server, name: str, state: str) -> bool:
    """Wait until a plugin is in a state; tell whether it is."""
    return wait_until(lambda: bool(plugin(server, name)["state"] == state), WITHIN_S)


def labels(server: Server, study: str) -> set[str]:
    """Return the labels of a study."""
    return set(ask(server, f"/api/v1/studies/{study}")["labels"])
