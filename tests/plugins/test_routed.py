"""Rules of routing that have a plugin run: what it is told, and what becomes of the job when it fails."""

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from archimage.app import build
from archimage.cli.main import main
from archimage.config import Config
from archimage.config_plugins import PluginsConfig
from archimage.config_routing import RoutingConfig
from archimage.errors import ConfigError
from tests.attacks.datasets import STUDY_INSTANCE_UID, dataset, new_uid
from tests.attacks.server import Server, running, wait_until
from tests.attacks.wire import Peer
from tests.interop.managing import Api
from tests.plugins.asking import WITHIN_S, ask, is_in_state, labels, plugin
from tests.plugins.authored import write
from tests.processes import config

STUDY: Final = "1.2.826.0.1.3680043.8.499.1"
_RUN: Final = """
    import os
    import pathlib
    import time
    from archimage.plugin import Label, Routed

    FOLDER = pathlib.Path({folder!r})

    def on_routed(routed: Routed):
        (FOLDER / "pid").write_text(str(os.getpid()))
        while (FOLDER / "wait").exists():
            time.sleep(0.05)
        if (FOLDER / "raise").exists():
            raise RuntimeError
        ids = {{one.dataset().PatientID for one in routed.instances()}}
        return Label(f"{{routed.rule}} {{routed.on}} {{len(list(routed.instances()))}} {{ids.pop()}}")
"""


def _options(folder: Path, *rules: str, **plugins: object) -> tuple[str, ...]:
    """Write settings with rules and plugins; return the options that name them."""
    tables = "".join(f"[[routing.rule]]\n{rule}\n" for rule in rules)
    told = "".join(f"{name} = {value}\n" for name, value in plugins.items())
    path = folder / "archimage.toml"
    path.write_text(
        f'[routing]\nquiet_s = 1\n{tables}\n[plugins]\ndirectory = "{folder / "plugins"}"\n{told}', encoding="utf-8"
    )
    return "--config", str(path)


def _store(server: Server, count: int = 1) -> None:
    with Peer.associated(server.port) as peer:
        for uid in (new_uid() for _ in range(count)):
            assert peer.store(uid, dataset(uid, replaced={STUDY_INSTANCE_UID: STUDY.encode()})) == 0
        peer.release()


def _routed(server: Server) -> Mapping[str, Any]:
    found: Sequence[Mapping[str, Any]] = ask(server, "/api/v1/routing/studies")
    return found[0] if found else {}


def test_a_rule_has_a_plugin_run_and_what_kills_that_has_it_run_again(tmp_path: Path) -> None:
    write(tmp_path / "plugins", "marks", _RUN.format(folder=str(tmp_path)))
    (tmp_path / "wait").touch()
    rules = ('name = "first"\nactions = ["plugin:marks", "label:after"]',)
    with running(tmp_path / "data" / "a", _options(tmp_path, *rules)) as server:
        assert is_in_state(server, "marks", "ready")
        _store(server, 3)
        assert wait_until((tmp_path / "pid").exists, WITHIN_S), server.log
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        assert wait_until(lambda: _routed(server).get("state") == "failing", WITHIN_S), server.log
        assert "the plugin marks has not done it: it ended its process" in _routed(server)["error"]
        assert labels(server, STUDY) == set()
        (tmp_path / "wait").unlink()
        Api(f"http://127.0.0.1:{server.http_port}/").ask("POST", f"/jobs/{_routed(server)['job']}/retry")
        wanted = {"first study 3 ATTACK", "after"}
        assert wait_until(lambda: labels(server, STUDY) == wanted, WITHIN_S), server.log
        assert wait_until(lambda: _routed(server)["state"] == "done", WITHIN_S)
        assert plugin(server, "marks")["failures"] == 1


def test_a_rule_on_single_objects_tells_of_those_that_came(tmp_path: Path) -> None:
    write(tmp_path / "plugins", "marks", _RUN.format(folder=str(tmp_path)))
    rules = ('name = "one"\non = "instance"\nactions = "plugin:marks"',)

    def are_told() -> bool:
        """On a busy machine the second of two may come too late for the call that tells of the first."""
        return "one instance 2 ATTACK" in labels(server, STUDY) or plugin(server, "marks")["calls"] == 3

    with running(tmp_path / "data" / "a", _options(tmp_path, *rules)) as server:
        _store(server)
        assert wait_until(lambda: "one instance 1 ATTACK" in labels(server, STUDY), WITHIN_S), server.log
        _store(server, 2)
        assert wait_until(are_told, WITHIN_S), server.log


def test_while_a_plugin_is_disabled_the_job_fails_and_says_so(tmp_path: Path) -> None:
    write(tmp_path / "plugins", "marks", _RUN.format(folder=str(tmp_path)))
    (tmp_path / "raise").touch()
    options = _options(tmp_path, 'name = "one"\nactions = "plugin:marks"', failures_allowed=1)
    with running(tmp_path / "data" / "a", options) as server:
        api = Api(f"http://127.0.0.1:{server.http_port}/")
        _store(server)
        assert wait_until(lambda: "RuntimeError" in _routed(server).get("error", ""), WITHIN_S), server.log
        assert is_in_state(server, "marks", "disabled")
        (tmp_path / "raise").unlink()
        api.ask("POST", f"/jobs/{_routed(server)['job']}/retry")
        assert wait_until(lambda: "it is disabled" in _routed(server)["error"], WITHIN_S), server.log
        assert api.ask("POST", "/plugins/marks/enable").status == 200
        api.ask("POST", f"/jobs/{_routed(server)['job']}/retry")
        assert wait_until(lambda: _routed(server)["state"] == "done", WITHIN_S), server.log


def test_a_plugin_without_the_hook_is_told_and_hears_that_the_job_has_failed_for_good(tmp_path: Path) -> None:
    told = tmp_path / "told"
    text = f"""
        def on_job_failed(job):
            open({str(told)!r}, 'w').write(f'{{job.kind}} {{job.destination}} {{job.error}}')
    """
    write(tmp_path / "plugins", "deaf", text)
    with running(tmp_path / "data" / "a", _options(tmp_path, 'name = "one"\nactions = "plugin:deaf"')) as server:
        said = "a rule has a plugin run without the hook"
        assert wait_until(lambda: said in server.log, WITHIN_S)
        _store(server)
        assert wait_until(lambda: "has no hook on_routed" in _routed(server).get("error", ""), WITHIN_S), server.log
        assert _routed(server)["state"] == "failed"
        assert wait_until(lambda: told.exists() and told.read_text().endswith("on_routed"), WITHIN_S), server.log
        assert told.read_text() == "route plugin:deaf the plugin 'deaf' has no hook on_routed"


def _settings(folder: Path, *plugins: str) -> Config:
    """Return settings of an archive with plugins and a rule for each of plugins."""
    rules = [{"name": f"rule-{name}", "actions": f"plugin:{name}"} for name in plugins]
    return config(folder / "data").model_copy(
        update={
            "plugins": PluginsConfig(directory=str(folder / "plugins")),
            "routing": RoutingConfig.model_validate({"rule": rules}),
        }
    )


def test_a_rule_names_a_plugin_that_is_there_and_has_the_hook_also_when_settings_are_read_again(tmp_path: Path) -> None:
    write(tmp_path / "plugins", "able", "def on_routed(routed): ...\n")
    write(tmp_path / "plugins", "deaf", "def on_query(query): ...\n")
    with pytest.raises(ConfigError, match="'rule-other': no plugin 'other' is there; those that are: able, deaf"):
        build(_settings(tmp_path, "able", "other"))
    with closing(build(_settings(tmp_path, "able"))) as app:
        app.begin()
        assert app.plugins.service is not None
        service = app.plugins.service
        assert wait_until(lambda: None not in service.hooks().values(), WITHIN_S)
        for name, why in (("other", "no plugin 'other'"), ("deaf", "'deaf' has no hook on_routed")):
            with pytest.raises(ConfigError, match=why):
                app.configure(_settings(tmp_path, "able", name))
            assert [rule.name for rule in app.exchange.routing.router.rules] == ["rule-able"]
        app.configure(_settings(tmp_path))
        assert app.exchange.routing.router.rules == ()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("able", ""),
        ("deaf", "has no hook on_routed"),
        ("broken", "cannot be loaded"),
        ("other", "no plugin 'other' is there"),
    ],
)
def test_trying_a_rule_loads_its_plugin(
    tmp_path: Path, name: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "plugins", "able", "def on_routed(routed): ...\n")
    write(tmp_path / "plugins", "deaf", "def on_query(query): ...\n")
    write(tmp_path / "plugins", "broken", "import nothing_of_that_name\n")
    file = tmp_path / "file.dcm"
    file.write_bytes(_part10())
    options = _options(tmp_path, f'name = "one"\nactions = "plugin:{name}"')
    with pytest.raises(SystemExit) as left:
        main(["route", "test", str(file), *options])
    told = capsys.readouterr()
    assert (bool(left.value.code), why in told.err) == (bool(why), True)
    assert why or "would do: plugin:able" in told.out


def _part10() -> bytes:
    from archimage.dicom.part10 import FileMeta, encode_file_meta
    from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
    from tests.attacks.wire import CT

    uid = new_uid()
    return encode_file_meta(FileMeta(CT, uid, EXPLICIT_VR_LITTLE_ENDIAN)) + dataset(uid)
