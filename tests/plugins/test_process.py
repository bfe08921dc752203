"""A plugin's process: whatever the plugin does to it, the server has an answer or a reason, in time."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from archimage.errors import NotFoundError
from archimage.model.plugins import PluginAnswer, PluginSource
from archimage.plugins.process import PluginProcess, ProcessLoader
from archimage.ports.plugins import PluginFault
from tests.plugins.authored import INSTANCE, write

_MEMORY = 512 << 20
_PATIENCE_S = 20.0
_BAD = """
    import os
    import sys
    import time

    def on_study_deleted(removed):
        raise RuntimeError("of the patient SECRET-ID")

    def on_instance_stored(instance):
        ways = {
            "raise": lambda: 1 / 0,
            "exit": lambda: os._exit(0),
            "leave": lambda: sys.exit("for no reason"),
            "hang": lambda: time.sleep(600),
            "spin": lambda: [None for _ in iter(int, 1)],
            "eat": lambda: [bytearray(1 << 26) for _ in range(100)],
            "kill": lambda: os.kill(os.getpid(), 9),
            "wrong": lambda: {"label": "x"},
            "refuse": lambda: __import__("archimage.plugin").plugin.Refuse("no"),
            "talk": lambda: (print("x" * 100_000), os.write(1, b"y" * 100_000), os.write(2, b"z" * 100_000), None)[-1],
        }
        return ways[instance.modality]()
"""


def _unserved(_wanted: Mapping[str, Any]) -> bytes:
    raise NotFoundError("nothing is kept here")


@contextmanager
def _loaded(source: PluginSource) -> Iterator[PluginProcess]:
    process = ProcessLoader(_MEMORY).start(source)
    assert isinstance(process, PluginProcess)
    try:
        process.load(_PATIENCE_S)
        yield process
    finally:
        process.close()


def _fault(source: PluginSource, way: str, timeout_s: float = _PATIENCE_S) -> PluginFault:
    with _loaded(source) as process, pytest.raises(PluginFault) as raised:
        process.call("on_instance_stored", {**INSTANCE, "modality": way}, _unserved, timeout_s)
    return raised.value


@pytest.fixture
def bad(tmp_path: Path) -> PluginSource:
    return write(tmp_path, "bad", _BAD)


def test_a_hook_is_told_and_answers(tmp_path: Path) -> None:
    source = write(
        tmp_path,
        "good",
        """
        from archimage.plugin import Instance, Label, Send, hook

        @hook
        def on_instance_stored(instance: Instance):
            return [Label(instance.sop_instance_uid), Send("NODE")]
        """,
    )
    with _loaded(source) as process:
        answers = process.call("on_instance_stored", INSTANCE, _unserved, _PATIENCE_S)
    assert answers == [PluginAnswer("label", "1.2.3.4"), PluginAnswer("send", "NODE")]


def test_a_data_set_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    source = write(
        tmp_path,
        "reads",
        """
        from archimage.plugin import Label

        def on_instance_stored(instance):
            header, whole = instance.dataset(), instance.dataset(pixels=True)
            return [Label(str(header.PatientID)), Label(str("PixelData" in header)), Label(str(len(whole.PixelData)))]

        def on_study_complete(study):
            return [Label(f"{one.sop_instance_uid} {one.dataset().Modality}") for one in study.instances()]
        """,
    )
    path = Path(get_testdata_file("CT_small.dcm", download=False))  # type: ignore[arg-type]
    asked: list[Mapping[str, Any]] = []

    def serve(wanted: Mapping[str, Any]) -> bytes:
        asked.append(wanted)
        if "instances" in wanted:
            names = ("sop_class_uid", "series_instance_uid", "study_instance_uid", "transfer_syntax_uid")
            told = dict.fromkeys(names, "") | {"sop_instance_uid": "7", "size_bytes": 1, "of_a_later_release": 1}
            return json.dumps([told]).encode()
        return path.read_bytes()

    with _loaded(source) as process:
        told = process.call("on_instance_stored", INSTANCE, serve, _PATIENCE_S)
        study = process.call("on_study_complete", {"study_instance_uid": "1.2"}, serve, _PATIENCE_S)
    kept = dcmread(path)
    assert [answer.text for answer in told] == [kept.PatientID, "False", str(len(kept.PixelData))]
    assert [answer.text for answer in study] == ["7 CT"]
    assert [one.get("whole") for one in asked] == [False, True, None, False]


def test_what_cannot_be_had_is_raised_in_the_plugin_and_not_in_the_server(tmp_path: Path) -> None:
    source = write(
        tmp_path,
        "careful",
        """
        from archimage.plugin import Label

        def on_instance_stored(instance):
            try:
                instance.file()
            except LookupError as error:
                return Label(str(error))
        """,
    )
    with _loaded(source) as process:
        (answer,) = process.call("on_instance_stored", INSTANCE, _unserved, _PATIENCE_S)
    assert answer.text == "nothing is kept here"


def test_an_exception_is_told_by_kind_and_place_and_not_by_its_text(bad: PluginSource) -> None:
    with _loaded(bad) as process:
        with pytest.raises(PluginFault) as raised:
            process.call("on_study_deleted", {"study_instance_uid": "1.2"}, _unserved, _PATIENCE_S)
        fault = raised.value
        assert (fault.outcome, str(fault), fault.ended) == ("failed", "it raised RuntimeError", False)
        assert len(fault.trace) == 1
        assert "bad.py:7 in on_study_deleted: raise RuntimeError(" in fault.trace[0]
        with pytest.raises(PluginFault, match="ZeroDivisionError"):  # it serves on
            process.call("on_instance_stored", {**INSTANCE, "modality": "raise"}, _unserved, _PATIENCE_S)


def test_leaving_is_an_exception_as_any(bad: PluginSource) -> None:
    assert str(_fault(bad, "leave")) == "it raised SystemExit"


@pytest.mark.parametrize("way", ["exit", "kill"])
def test_a_process_that_ends_costs_the_call(bad: PluginSource, way: str) -> None:
    fault = _fault(bad, way)
    assert (fault.outcome, fault.ended) == ("lost", True)


@pytest.mark.parametrize("way", ["hang", "spin"])
def test_what_hangs_is_killed(bad: PluginSource, way: str) -> None:
    began = time.monotonic()
    fault = _fault(bad, way, 0.5)
    assert (fault.outcome, fault.ended) == ("timeout", True)
    assert time.monotonic() - began < _PATIENCE_S


def test_memory_is_bounded(bad: PluginSource) -> None:
    fault = _fault(bad, "eat")
    assert (fault.outcome, fault.ended) == ("memory", True)


@pytest.mark.parametrize(("way", "why"), [("wrong", "not with dict"), ("refuse", "may answer label, send")])
def test_an_answer_that_is_none_of_the_hook_is_told(bad: PluginSource, way: str, why: str) -> None:
    fault = _fault(bad, way)
    assert fault.outcome == "invalid"
    assert why in str(fault)


def test_what_is_printed_goes_nowhere(bad: PluginSource, capfd: pytest.CaptureFixture[str]) -> None:
    with _loaded(bad) as process:
        assert process.call("on_instance_stored", {**INSTANCE, "modality": "talk"}, _unserved, _PATIENCE_S) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("text", "why", "place"),
    [
        ("def on_query(query:\n", "SyntaxError", "broken.py:1"),
        ("import nothing_of_that_name\n", "No module named 'nothing_of_that_name'", "broken.py:1"),
        ("raise SystemExit(3)\n", "SystemExit: 3", "broken.py:1"),
        ("value = 1\n", "it has no hook", None),
        ("from archimage.plugin import hook\n@hook\ndef on_nothing(one): ...\n", "is no hook", "broken.py:2"),
    ],
)
def test_what_cannot_be_loaded_says_why_and_where(tmp_path: Path, text: str, why: str, place: str | None) -> None:
    process = ProcessLoader(_MEMORY).start(write(tmp_path, "broken", text))
    try:
        with pytest.raises(PluginFault) as raised:
            process.load(_PATIENCE_S)
    finally:
        process.close()
    assert raised.value.outcome == "failed"
    assert why in str(raised.value)
    assert (place is None) == (not raised.value.trace)
    assert place is None or any(place in line for line in raised.value.trace)


def test_a_plugin_that_sleeps_while_it_is_imported_is_killed(tmp_path: Path) -> None:
    process = ProcessLoader(_MEMORY).start(write(tmp_path, "sleepy", "import time\ntime.sleep(600)\n"))
    try:
        with pytest.raises(PluginFault) as raised:
            process.load(0.5)
    finally:
        process.close()
    assert raised.value.outcome == "timeout"


def test_a_closed_process_is_gone_with_what_it_has_started(tmp_path: Path) -> None:
    source = write(
        tmp_path,
        "parent",
        """
        import subprocess
        from archimage.plugin import Label

        def on_instance_stored(instance):
            return Label(str(subprocess.Popen(["sleep", "600"]).pid))
        """,
    )
    with _loaded(source) as process:
        (answer,) = process.call("on_instance_stored", INSTANCE, _unserved, _PATIENCE_S)
    deadline = time.monotonic() + _PATIENCE_S
    while _runs(int(answer.text)):
        assert time.monotonic() < deadline


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_settings_and_their_secrets_are_not_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIMAGE__TLS__KEY", "secret")
    monkeypatch.setenv("OF_THE_PLUGIN", "its own")
    source = write(
        tmp_path,
        "nosy",
        """
        import os
        from archimage.plugin import Label

        def on_instance_stored(instance):
            return [Label(os.environ.get("ARCHIMAGE__TLS__KEY", "none")), Label(os.environ["OF_THE_PLUGIN"])]
        """,
    )
    with _loaded(source) as process:
        answers = process.call("on_instance_stored", INSTANCE, _unserved, _PATIENCE_S)
    assert [answer.text for answer in answers] == ["none", "its own"]
