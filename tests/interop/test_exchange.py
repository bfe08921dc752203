"""Earlier studies fetched from another archive, and two archives made alike; both are processes of our own."""

import json
from pathlib import Path

from tests.attacks.server import Server, running, wait_until
from tests.interop.managing import Api
from tests.interop.routed import WITHIN_S, archimage, begun, routing, send, settings, study, study_uid

ANYONE = {"dicom__any_called_ae_title": "true"}


def kept(server: Server) -> set[str]:
    """Return the SOP Instance UIDs of what an archive has."""
    return {row.sop_instance_uid for row in server.rows()}


def test_earlier_studies_come_when_a_patient_is_scheduled_or_something_of_him_arrives(tmp_path: Path) -> None:
    older, other = study(tmp_path / "old", 1, 3), study(tmp_path / "other", 2, 2, patient="P2")
    config = settings(tmp_path / "a.toml", more='[prefetch]\nnodes = ["OLD"]')
    with running(tmp_path / "data" / "b", settings=ANYONE) as old:
        send(old, tmp_path / "old")
        send(old, tmp_path / "other")
        with routing(tmp_path / "data" / "a", config, f"OLD=127.0.0.1:{old.port}") as server:
            api = Api(f"http://127.0.0.1:{server.http_port}/")
            entry = {
                "patient_id": "P1",
                "patient_name": "Attack^Test",
                "step_description": "CT head",
                "modality": "CT",
                "start_date": "20991202",
                "start_time": "0800",
                "station_ae_titles": ["CT1"],
            }
            answered = api.ask("POST", "/worklist", entry)
            assert answered.status == 201, answered
            assert wait_until(lambda: kept(server) == set(older), WITHIN_S), server.log
            new = study(tmp_path / "new", 3, 1, patient="P2")
            send(server, tmp_path / "new")
            assert wait_until(lambda: kept(server) == {*older, *other, *new}, WITHIN_S), server.log


def test_what_came_just_before_a_process_died_has_earlier_studies_fetched_by_the_next(tmp_path: Path) -> None:
    """One is killed right after it has answered that an object is stored; another ends without fetching anything."""
    older = [study(tmp_path / "old", number, 1, patient=f"P{number}") for number in (1, 2, 3)]
    config = settings(tmp_path / "a.toml", more='[prefetch]\nnodes = ["OLD"]\non = "arrival"')
    data = tmp_path / "data" / "a"
    with running(tmp_path / "data" / "b", settings=ANYONE) as old:
        send(old, tmp_path / "old")
        node = f"OLD=127.0.0.1:{old.port}"
        server = begun(data, config, node)
        try:
            new = study(tmp_path / "1", 11, 1, patient="P1")
            send(server, tmp_path / "1")
            assert wait_until(lambda: kept(server) == {*older[0], *new}, WITHIN_S), server.log
            new |= study(tmp_path / "2", 12, 1, patient="P2")
            send(server, tmp_path / "2")
        finally:
            server.process.kill()
            server.process.wait(20)
        new |= study(tmp_path / "3", 13, 1, patient="P3")
        archimage("import", tmp_path / "3", "--data", data)
        with routing(data, config, node) as server:
            assert wait_until(lambda: kept(server) == {*new, *older[0], *older[1], *older[2]}, WITHIN_S), server.log


def test_two_archives_become_alike_and_the_report_tells_what_differed(tmp_path: Path) -> None:
    here, there, both = (
        study(tmp_path / name, number, count) for number, (name, count) in enumerate((("a", 2), ("b", 3), ("c", 4)), 1)
    )
    (tmp_path / "c" / f"{study_uid(3)}.1.1.dcm").rename(tmp_path / "a" / "one-more.dcm")
    with running(tmp_path / "data" / "b", settings=ANYONE) as other:
        send(other, tmp_path / "b")
        send(other, tmp_path / "c")
        mine, report = tmp_path / "data" / "a", tmp_path / "report.json"
        config = tmp_path / "a.toml"
        config.write_text(f'[nodes.OTHER]\nhost = "127.0.0.1"\nport = {other.port}\n', encoding="utf-8")
        archimage("import", tmp_path / "a", tmp_path / "c", "--data", mine)
        arguments = ("sync", "OTHER", "--data", mine, "--config", config, "--json", "--report", report)
        told = json.loads(archimage(*arguments, "--dry-run", code=1))
        assert told == json.loads(report.read_text())
        assert [one["study_instance_uid"] for one in told["only_here"]] == [study_uid(1)]
        assert [one["study_instance_uid"] for one in told["only_there"]] == [study_uid(2)]
        assert [(one["here"], one["there"]) for one in told["differing"]] == [(4, 3)]
        assert len(kept(other)) == 6
        told = json.loads(archimage(*arguments))
        assert sum(one["sent"] for one in told["copied"]) == 3
        assert sum(one["fetched"] for one in told["copied"]) == 3
        assert kept(other) == {*here, *there, *both}
        again = json.loads(archimage(*arguments, "--dry-run"))
        assert (again["same"], again["only_here"], again["only_there"], again["differing"]) == (3, [], [], [])
