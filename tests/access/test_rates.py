"""Limits of how often somebody may ask over the web."""

from pathlib import Path

from tests.access.site import basic, closed_site


def test_who_asks_too_often_is_told_when_to_ask_again_and_others_are_not_held_up(tmp_path: Path) -> None:
    with closed_site(tmp_path / "data", {"access__requests_per_s": 1}) as site:
        answers = [site.ask("GET", "/api/v1/me", sent=basic("reader")) for _ in range(15)]
        assert {answer.status for answer in answers} == {200, 429}
        refused = answers[-1]
        assert int(refused.headers["retry-after"]) >= 1
        assert "access.requests_per_s" in refused.json["error"]
        assert site.ask("GET", "/api/v1/me", sent=basic("auditor")).status == 200
        assert site.ask("GET", "/ready", sent=basic("reader")).status == 200
        assert (
            'pacs_requests_limited_total{door="http"}'
            in site.ask("GET", "/metrics", sent=basic("auditor")).body.decode()
        )
