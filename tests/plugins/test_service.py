"""What the archive does with plugins: who is asked, what is counted, who is disabled, and for whom that holds."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from archimage.app import App, build
from archimage.config import Config
from archimage.config_plugins import PluginsConfig
from archimage.errors import ArchimageError, NotAuthorisedError, NotFoundError, UnavailableError
from archimage.index.plugins import PluginTable
from archimage.model.associations import AskedAssociation
from archimage.model.attributes import BY_COLUMN, Level
from archimage.model.events import InstanceStored, StudyRemoved
from archimage.model.plugins import CallOutcome, PluginStatus
from archimage.model.query import Condition, Exact, Query, Range, UIDList, Wildcard
from archimage.plugins.found import find
from archimage.plugins.process import ProcessLoader
from archimage.ports.meter import Meter
from archimage.services.plugins import events
from archimage.services.plugins.acting import Acting
from archimage.services.plugins.service import PluginService, Surroundings
from archimage.services.plugins.serving import Serving
from tests.attacks.server import wait_until
from tests.plugins.authored import write
from tests.processes import config
from tests.services.archive import records

_ASSOCIATION = AskedAssociation("CT1", "PACS_SCP", "192.0.2.1", "", encrypted=False, abstract_syntaxes=())
_ALL = Query(Level.STUDY)
_WITHIN_S = 20.0
_CHOOSES = """
    import os
    import time
    from archimage.plugin import Label, Narrow, Refuse, Send

    def on_instance_stored(instance):
        return {"bad label": Label("a/b"), "bad node": Send("NOWHERE")}.get(instance.modality)

    def on_association(association):
        ways = {"RAISES": lambda: 1 / 0, "HANGS": lambda: time.sleep(600), "ENDS": lambda: os._exit(1)}
        return ways.get(association.calling_ae_title, lambda: None)()

    def on_query(query):
        wanted = query.keys.get("PatientID", "")
        ways = {"refuse": Refuse("no"), "odd": Narrow({"Oddness": "1"}), "wrong": Narrow({"StudyDate": "x"})}
        return ways.get(wanted)
"""


class _Counting(Meter):
    """Notes the outcomes of calls."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, str]] = []

    def plugin_called(self, plugin: str, hook: str, outcome: CallOutcome) -> None:  # noqa: ARG002
        """Note one."""
        self.outcomes.append((hook, outcome))


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with closing(build(config(tmp_path / "data", durability="os"))) as app:
        app.index.add(list(records()))
        yield app


def _service(app: App, folder: Path, **settings: object) -> PluginService:
    """Return a process's plugins, which are not looked after by themselves."""
    chosen = PluginsConfig.model_validate({"directory": str(folder), "answer_timeout_s": 5, **settings})
    services = app.services
    around = Surroundings(
        ProcessLoader(512 << 20),
        PluginTable(app.index),
        Serving(app.index, services.frames, 1 << 20),
        Acting(services.labels, services.nodes, app.peers),
        services.events,
    )
    return PluginService(find(chosen, folder), chosen, around)


def _vet(service: PluginService, title: str = "CT1") -> str | None:
    return service.vet(replace(_ASSOCIATION, calling_ae_title=title))


def _about(patient: str) -> Query:
    return replace(_ALL, conditions=(Condition(BY_COLUMN["patient_id"], Exact(patient)),))


def _one(service: PluginService) -> PluginStatus:
    (status,) = service.all()
    return status


def _stored(modality: str = "") -> InstanceStored:
    record = next(iter(records()))
    return InstanceStored(replace(record, values={**record.values, "modality": modality}), replaced=False)


def test_failures_in_a_row_disable_and_a_success_begins_anew(app: App, tmp_path: Path) -> None:
    write(tmp_path / "plugins", "one", _CHOOSES)
    with closing(_service(app, tmp_path / "plugins", failures_allowed=2)) as service:
        for title in ("RAISES", "CT1", "RAISES", "CT1", "ENDS", "CT1"):
            assert _vet(service, title) is None
        status = _one(service)
        assert (status.state, status.calls, status.failures, status.failures_in_a_row) == ("ready", 6, 3, 0)
        assert status.last_error.startswith("on_association: it ended its process")
        assert [_vet(service, title) for title in ("RAISES", "ENDS")] == [None, None]
        assert _one(service).state == "disabled"
        assert service.check() == {"plugins": 1, "not_called": 1, "waiting": 0}
        assert _vet(service) is None
        assert _one(service).calls == 8


def test_who_disables_a_plugin_does_so_for_all_processes_and_after_a_restart(app: App, tmp_path: Path) -> None:
    write(tmp_path / "plugins", "one", _CHOOSES)
    with (
        closing(_service(app, tmp_path / "plugins", failures_allowed=1)) as first,
        closing(_service(app, tmp_path / "plugins")) as second,
    ):
        assert (_vet(first, "RAISES"), _vet(second)) == (None, None)
        assert (_one(first).state, _one(second).state) == ("disabled", "disabled")
        assert _one(second).calls == 2
        assert first.enable("one").state == "ready"
        assert _one(second).state == "ready"
        assert second.disable("one").reason == "somebody disabled it"
    with closing(_service(app, tmp_path / "plugins")) as third:
        assert _one(third).state == "disabled"
        assert _one(third).hooks == ["on_association", "on_instance_stored", "on_query"]
        with pytest.raises(NotFoundError, match="no plugin 'other'"):
            third.enable("other")


def _processes() -> int:
    return len([one for one in psutil.Process().children() if "archimage.plugins.worker:tasks" in one.cmdline()])


def test_a_plugin_that_is_disabled_has_no_process(app: App, tmp_path: Path) -> None:
    write(tmp_path / "plugins", "one", _CHOOSES)
    with closing(_service(app, tmp_path / "plugins", failures_allowed=1)) as service:
        assert _vet(service) is None
        assert wait_until(lambda: _processes() == 1, _WITHIN_S)
        service.stored(_stored())
        assert wait_until(lambda: _processes() == 2, _WITHIN_S)
        assert _vet(service, "RAISES") is None
        assert wait_until(lambda: _processes() == 0, _WITHIN_S)
        assert service.enable("one").state == "ready"
        assert _vet(service) is None
        assert service.disable("one").state == "disabled"
        assert _processes() == 0


def test_who_loads_a_plugin_anew_while_it_works_does_not_blame_it(app: App, tmp_path: Path) -> None:
    write(tmp_path / "plugins", "one", "import time\ndef on_instance_stored(instance):\n    time.sleep(600)\n")
    with closing(_service(app, tmp_path / "plugins", failures_allowed=1)) as service:
        service.stored(_stored())
        assert wait_until(lambda: _processes() == 1 and service.waiting == 0, _WITHIN_S)
        assert service.enable("one").state != "disabled"
        assert wait_until(lambda: _one(service).dropped == 1, _WITHIN_S)
        assert _one(service).failures == 0


def test_a_plugin_is_not_blamed_for_a_hook_that_it_does_not_have(app: App, tmp_path: Path) -> None:
    write(tmp_path / "plugins", "one", "def on_association(association): ...\n")
    with closing(_service(app, tmp_path / "plugins", required=("one",))) as service:
        assert service.review("C-FIND", _ALL) == _ALL
        assert _one(service).failures == 0


def test_a_query_goes_on_as_answered_and_without_an_answer_that_is_none(app: App, tmp_path: Path) -> None:
    write(tmp_path / "plugins", "one", _CHOOSES)
    with closing(_service(app, tmp_path / "plugins")) as service:
        meter = _Counting()
        service.count_by(meter)
        assert service.review("C-FIND", _ALL) == _ALL
        with pytest.raises(NotAuthorisedError, match="the plugin one refuses the query: no"):
            service.review("C-FIND", _about("refuse"))
        for patient in ("odd", "wrong"):
            assert service.review("C-FIND", _about(patient)) == _about(patient)
        assert meter.outcomes == [("on_query", outcome) for outcome in ("done", "invalid", "invalid")]


def test_without_a_required_plugin_nothing_that_it_is_asked_for_goes_on(app: App, tmp_path: Path) -> None:
    write(tmp_path / "plugins", "one", _CHOOSES)
    with closing(_service(app, tmp_path / "plugins", required=("one",), failures_allowed=1)) as service:
        with pytest.raises(UnavailableError, match="it raised ZeroDivisionError"):
            _vet(service, "RAISES")
        with pytest.raises(UnavailableError, match="it is disabled"):
            _vet(service)
        with pytest.raises(UnavailableError, match="one: required"):
            service.check()
        with pytest.raises(UnavailableError, match="it is disabled"):
            service.review("C-FIND", _ALL)


def test_who_waits_for_a_busy_plugin_waits_no_longer_than_for_an_answer(app: App, tmp_path: Path) -> None:
    write(tmp_path / "plugins", "one", _CHOOSES)
    with closing(_service(app, tmp_path / "plugins", answer_timeout_s=1)) as service:
        assert wait_until(lambda: _vet(service) is None and _one(service).calls > 0, _WITHIN_S)  # it is loaded
        meter = _Counting()
        service.count_by(meter)
        asking = [threading.Thread(target=_vet, args=(service, "HANGS")) for _ in range(2)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join(_WITHIN_S)
            assert not thread.is_alive()
        assert ("on_association", "timeout") in meter.outcomes
        assert len(meter.outcomes) == 2


def test_what_a_plugin_is_too_far_behind_for_is_dropped_and_counted(app: App, tmp_path: Path) -> None:
    write(tmp_path / "plugins", "slow", "import time\ndef on_instance_stored(instance):\n    time.sleep(600)\n")
    with closing(_service(app, tmp_path / "plugins", queue=2)) as service:
        service.stored(_stored())
        assert wait_until(lambda: service.waiting == 0, _WITHIN_S)
        for _ in range(5):
            service.stored(_stored())
        assert (_one(service).dropped, _one(service).waiting) == (3, 2)


@pytest.mark.parametrize("answer", ["bad label", "bad node"])
def test_an_answer_that_cannot_be_done_is_a_failure(app: App, tmp_path: Path, answer: str) -> None:
    write(tmp_path / "plugins", "one", _CHOOSES)
    with closing(_service(app, tmp_path / "plugins")) as service:
        service.stored(_stored(answer))
        assert wait_until(lambda: _one(service).failures == 1, _WITHIN_S)
        assert "it answered" in _one(service).last_error


def test_a_plugin_that_cannot_be_loaded_is_broken_then_disabled_and_told_as_that(app: App, tmp_path: Path) -> None:
    write(tmp_path / "plugins", "one", "import nothing_of_that_name\n")
    with closing(_service(app, tmp_path / "plugins", failures_allowed=2)) as service:
        assert _vet(service) is None
        assert _one(service).state == "broken"
        assert "No module named 'nothing_of_that_name'" in _one(service).last_error
        assert _vet(service) is None
        assert _one(service).state == "disabled"


def test_deleted_studies_are_told(app: App, tmp_path: Path) -> None:
    told = tmp_path / "told"
    text = f"def on_study_deleted(removed):\n    open({str(told)!r}, 'a').write(removed.study_instance_uid)\n"
    write(tmp_path / "plugins", "one", text)
    with closing(_service(app, tmp_path / "plugins")) as service:
        service.start()
        app.services.events.publish(StudyRemoved("1.2.3", 4))
        assert wait_until(lambda: told.exists() and told.read_text() == "1.2.3", _WITHIN_S)


def test_what_a_plugin_may_read_is_bounded_and_only_what_is_kept(app: App) -> None:
    serving = Serving(app.index, app.services.frames, 10)
    for wanted in ({"read": "1.2.3", "whole": False}, {"instances": "1.2.3.4"}, {"delete": "1.2.3"}, {"read": "x"}):
        with pytest.raises(ArchimageError):
            serving.answer(wanted)


@pytest.mark.parametrize(
    ("column", "match", "text"),
    [
        ("patient_name", Wildcard("Doe*"), "Doe*"),
        ("study_date", Range("20260101", None), "20260101-"),
        ("study_instance_uid", UIDList(("1.2", "1.3")), "1.2\\1.3"),
        ("request_accession_number", Exact("A1"), "A1"),
    ],
)
def test_keys_are_told_as_they_are_written_and_read_back(column: str, match: Exact, text: str) -> None:
    asked = Condition(BY_COLUMN[column], match)
    told = events.query("C-FIND", replace(_ALL, conditions=(asked,)))["keys"]
    assert list(told.values()) == [text]
    assert events.narrowing(told) == (asked,)


@pytest.mark.parametrize("name", ["StudyDate", "StudyTime", "StudyInstanceUID", "NumberOfSeriesRelatedInstances"])
def test_what_is_wrong_with_a_narrowing_is_told_without_its_value(name: str) -> None:
    with pytest.raises(ValueError, match=name) as caught:
        events.narrowing({name: "Doe^Jane"})
    assert "Doe" not in str(caught.value)


def test_an_archive_without_plugins_has_nothing_of_them(app: App) -> None:
    assert (app.plugins.service, app.services.query.review, dict(app.plugins.pools)) == (None, None, {})
    assert not [thread for thread in threading.enumerate() if "plugin" in thread.name]
    assert "plugins" not in app.health.parts


def _hooks(settings: Config) -> Sequence[str]:
    with closing(build(settings)) as app:
        assert app.plugins.service is not None
        return app.plugins.service.names


def test_the_settings_of_an_archive_name_its_plugins(tmp_path: Path) -> None:
    write(tmp_path / "data" / "plugins", "one", _CHOOSES)
    chosen = config(tmp_path / "data").model_copy(update={"plugins": PluginsConfig(directory="plugins")})
    assert _hooks(chosen) == ("one",)
