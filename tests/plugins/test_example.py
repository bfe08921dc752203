"""What docs/plugins.md shows works: the plugin is taken from the page, and run by a real server."""

import datetime as dt
import importlib.util
import re
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from archimage.cli.main import main
from archimage.plugin import HOOKS, Association, Instance, Label, Narrow, Query, Refuse, Study, hook
from archimage.protocol.pdu import AssociateReject
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.server import running, wait_until
from tests.attacks.wire import Peer, request
from tests.plugins.asking import WITHIN_S, is_in_state, labels
from tests.plugins.authored import write

_PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text("utf-8")
_CONTRAST = 0x00180010
_STUDY = "1.2.826.0.1.3680043.8.499.1"


def _example() -> str:
    found = re.search(r"```python\n(import datetime.*?)```", _PAGE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_labels_narrows_and_refuses(tmp_path: Path) -> None:
    write(tmp_path / "plugins", "contrast", _example())
    settings = {"plugins__directory": tmp_path / "plugins", "plugins__study_complete_after_s": 0.3}
    with running(tmp_path / "archive" / "data", settings=settings) as server:
        assert is_in_state(server, "contrast", "ready"), server.log
        uid = new_uid()
        data = dataset(uid, more=((_CONTRAST, "LO", b"Iodine"),), transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN)
        with Peer.associated(server.port) as peer:
            assert peer.store(uid, data) == 0
            peer.release()
        assert wait_until(lambda: labels(server, _STUDY) == {"contrast", "1 CT images"}, WITHIN_S), server.log
        with Peer(server.port) as peer:
            assert isinstance(peer.associate(request(calling="RETURNED")), AssociateReject)


def test_the_example_can_be_tried_without_a_server(tmp_path: Path) -> None:
    source = write(tmp_path, "contrast", _example())
    spec = importlib.util.spec_from_file_location("contrast", source.target)
    assert spec is not None
    assert spec.loader is not None
    contrast = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(contrast)
    kept = dcmread(get_testdata_file("CT_small.dcm", download=False))  # type: ignore[arg-type]
    kept.ContrastBolusAgent = "Iodine"
    kept.save_as(tmp_path / "ct.dcm")
    instance = Instance.of_file(tmp_path / "ct.dcm")
    assert (instance.modality, len(instance.dataset(pixels=True).PixelData)) == ("CT", len(kept.PixelData))
    assert contrast.on_instance_stored(instance) == Label("contrast")
    assert contrast.on_study_complete(Study("1.2", list_instances=lambda _uid: iter([instance]))) == Label(
        "1 CT images"
    )
    today = f"{dt.date.today():%Y%m%d}"  # noqa: DTZ011 - as the example has it
    assert contrast.on_query(Query("C-FIND", "STUDY", {}, "ENTRANCE")) == Narrow({"StudyDate": today})
    assert contrast.on_query(Query("C-FIND", "STUDY", {}, "CT1")) is None
    refused = contrast.on_association(Association("RETURNED", "PACS_SCP", "192.0.2.1"))
    assert isinstance(refused, Refuse)


def test_the_example_is_checked_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path, "contrast", _example())
    with pytest.raises(SystemExit) as left:
        main(["plugins", "check", source.target])
    assert left.value.code == 0
    assert "on_association, on_instance_stored, on_query, on_study_complete" in "".join(capsys.readouterr())
    broken = write(tmp_path, "broken", "def on_query(query:\n")
    with pytest.raises(SystemExit) as left:
        main(["plugins", "check", broken.target])
    assert left.value.code != 0
    assert "SyntaxError" in capsys.readouterr().err


def test_the_page_tells_every_hook() -> None:
    assert set(re.findall(r"^\| `(on_\w+)` \| `", _PAGE, re.MULTILINE)) == set(HOOKS)


def test_a_mark_is_refused_where_there_is_no_such_hook() -> None:
    def on_something(_told: object) -> None:
        """Do nothing."""

    with pytest.raises(TypeError, match="'on_something' is no hook"):
        hook(on_something)


def test_what_cannot_be_read_says_so() -> None:
    instance = Instance("1", "2", "3", "4", "5", 6)
    with pytest.raises(LookupError):
        instance.dataset()
    with pytest.raises(LookupError):
        Study("1").instances()
