"""The tables of pools, queues and limits name all that there are, and nothing else."""

import ast
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from archimage.app import build
from archimage.concurrency.entry import Entry
from archimage.concurrency.report import report
from archimage.concurrency.table import ENTRIES
from archimage.concurrency.uses import Uses
from archimage.config import Config, DicomConfig, PixelsConfig
from archimage.model.concurrency import Bound
from tests.attacks.server import wait_until
from tests.processes import config
from tests.test_project import settings

_SOURCE: Final = Path(__file__).parents[1] / "src" / "archimage"
_MAKERS: Final = frozenset(
    {
        *("ThreadPoolExecutor", "WorkerThreads", "ContextThreads", "LoopThread", "Thread", "Semaphore"),
        *("Process", "Popen", "Queue", "SimpleQueue", "ProcessPoolExecutor", "CapacityLimiter"),
    }
)
_OF_COMMANDS: Final = "not of a server"
_MADE: Final = {
    "automation/scrubbing.py": {"scrubbing"},
    "automation/studies.py": {"exports"},
    "app.py": {"peer-read", "peer-write", "transcode", "deidentify", "peers"},
    "department/department.py": {"peers"},
    "cli/deidentifying.py": {_OF_COMMANDS},
    "cli/network_checks.py": {_OF_COMMANDS},
    "cli/sending.py": {_OF_COMMANDS},
    "imaging/pool.py": {"pixel processes"},
    "imaging/process.py": {"pixel processes", "processes of a plugin"},
    "net/blocking.py": {_OF_COMMANDS},
    "net/looping.py": {"peers"},
    "observe/audit/forward.py": {"audit-forward"},
    "observe/audit/trail.py": {"audit"},
    "observe/tracing.py": {"spans"},
    "server.py": {"web", "image", "read", "ingest", "default"},
    "services/availability.py": {"availability"},
    "services/checkpoint.py": {"checkpoint"},
    "services/compression.py": {"compression"},
    "services/retention.py": {"retention"},
    "automation/tiers.py": {"tiers"},
    "services/completeness.py": {"plugin-completeness"},
    "department/procedures.py": {"workitems"},
    "services/commitments.py": {"commit"},
    "services/deliveries.py": {"deliver", "plugin-studies"},
    "services/grouping.py": {"group commit of work items"},
    "services/ups_keeping.py": {"forgetting work items"},
    "services/fhir/watching.py": {"fhir-watch"},
    "index/watch.py": {"index-watch"},
    "services/importing.py": {"import"},
    "jobs/plain.py": {"jobs"},
    "services/job_work.py": {"jobs"},
    "services/inbox.py": {"HL7", "HL7 messages"},
    "services/intake.py": {"intake", "intake queue"},
    "services/plugins/service.py": {"plugins", "plugin-load"},
    "services/plugins/telling.py": {"telling a plugin", "instances for a plugin"},
    "automation/routing.py": {"route"},
    "services/routing.py": {"routing", "objects to route"},
    "services/prefetch_arrivals.py": {"prefetch", "arrived studies"},
    "services/preparing.py": {"prepare", "studies to prepare"},
    "services/removal.py": {"removal"},
    "services/replacement.py": {"replacement"},
    "services/status.py": {"figures"},
    "services/tasks.py": {"tasks"},
    "services/uploads.py": {"upload", "objects of an upload"},
    "services/worklist_files.py": {"worklist files"},
    "services/spooling.py": {"object-store"},
    "storage/remote/store.py": {"object-store-read", "tier-read"},
    "storage/spooled.py": {"object-store-put"},
    "threads.py": {"web", "image", "ingest"},
    "web/dicomweb/stow.py": {"threads of a STOW request"},
    "web/ohif/package.py": {_OF_COMMANDS},
    "web/web_archive.py": {"objects taken over the web at once"},
    "workers.py": {"server processes"},
}
"""Where threads, processes and queues are made, and which rows tell of them."""
_DRAWN: Final = "what is drawn into a picture; the rest is left out of it"
_FIELD: Final = "what a field of the standard or of a format holds"
_TOLD: Final = "what is told of many"
_COMMAND: Final = "of a command that is no server"
_NOT_TOLD: Final = {
    "cli/network_checks.py": _COMMAND,
    "cli/print_.py": _COMMAND,
    "cli/user.py": _COMMAND,
    "cli/watch.py": _COMMAND,
    "dicom/deidentify/faces.py": "what is a face",
    "dicom/deidentify/glyphs.py": "what is a letter",
    "dicom/deidentify/pseudonyms.py": "how far dates are moved",
    "dicom/film/description.py": _FIELD,
    "dicom/film/painting.py": _DRAWN,
    "dicom/render/annotation.py": _DRAWN,
    "dicom/render/frames.py": "the next profile is taken",
    "dicom/render/graphics.py": _DRAWN,
    "dicom/render/images.py": _FIELD,
    "dicom/render/presentation.py": _DRAWN,
    "dicom/render/stored.py": _FIELD,
    "imaging/channel.py": "of our own processes",
    "index/freetext.py": "further words are looked for in another way",
    "index/ingest.py": "what is remembered of series, a few bytes each",
    "index/matching.py": "longer than any key may be",
    "model/names.py": "further words of a name are not indexed",
    "model/ids.py": _FIELD,
    "model/users.py": _FIELD,
    "net/proposals.py": _FIELD,
    "net/scp/retrieve.py": _FIELD,
    "net/statuses.py": _FIELD,
    "plugins/process.py": _TOLD,
    "plugins/worker.py": _TOLD,
    "services/accounts.py": _FIELD,
    "services/attributes.py": _FIELD,
    "services/bulk.py": "further values are found in another way",
    "services/commitment_records.py": _TOLD,
    "services/objects.py": _TOLD,
    "services/deliveries.py": _TOLD,
    "services/jobs.py": _TOLD,
    "services/faces.py": "a series of more slices is refused",
    "services/fhir/studies.py": _FIELD,
    "services/inbox.py": _TOLD,
    "services/leaving.py": _COMMAND,
    "services/patients.py": _TOLD,
    "services/reports.py": _TOLD,
    "services/mpps.py": _TOLD,
    "services/nodes.py": _FIELD,
    "services/oidc.py": "further roles count for nothing",
    "services/printattributes.py": _FIELD,
    "services/printimages.py": _FIELD,
    "services/printing.py": _TOLD,
    "services/preparing.py": "further studies are not made ready",
    "services/seen.py": _COMMAND,
    "services/tokens.py": _FIELD,
    "services/transcoding.py": "what is larger and pressed harder is not transcoded",
    "services/ups_listing.py": _TOLD,
    "services/ups_subscriptions.py": "of a longer filter nothing is kept",
    "services/watching.py": _COMMAND,
    "services/worklist.py": _TOLD,
    "services/worklist_files.py": "a longer file has more than an entry may",
    "storage/cups.py": _TOLD,
    "storage/files.py": "of the system",
    "web/audited.py": _TOLD,
    "web/authenticated.py": "what is longer proves nothing",
    "web/cookies.py": "what is longer is no cookie of ours",
    "services/zipping.py": _FIELD,
    "web/dicomweb/qido.py": _FIELD,
    "web/fhir/bundles.py": _FIELD,
    "web/dicomweb/rendered.py": "further objects of a series are not tried",
    "web/joining.py": "what is more is handed on at once",
    "web/ohif/application.py": "nothing is made ready",
    "web/ohif/package.py": _COMMAND,
    "web/ohif/unpacking.py": _COMMAND,
    "web/orthanc/calls.py": _FIELD,
    "web/pages/login.py": "of a longer address the study list is shown",
    "web/pages/studies.py": _FIELD,
}
"""Modules with bounds that no row tells, and why not."""
_BOUND: Final = re.compile(r"_?(?:MAX|MOST)_|_?[A-Z_]+_MAX(?:_|$)")


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(_SOURCE.rglob("*.py")):
        yield str(path.relative_to(_SOURCE)), ast.parse(path.read_text("utf-8"))


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    called = node.func
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def test_whatever_makes_threads_processes_or_queues_has_a_row() -> None:
    makers = {name for name, module in _modules() if any(_called(node) in _MAKERS for node in ast.walk(module))}
    assert makers == set(_MADE)
    assert set().union(*_MADE.values()) - {_OF_COMMANDS} <= {entry.name for entry in ENTRIES}


def test_every_constant_that_bounds_something_is_told_or_there_is_a_reason() -> None:
    tables = "".join(path.read_text("utf-8") for path in (_SOURCE / "concurrency").glob("*.py"))
    untold = {
        name
        for name, module in _modules()
        for node in module.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        if _BOUND.match(node.target.id) and not re.search(rf"\b{node.target.id}\b", tables)
    }
    assert untold == set(_NOT_TOLD)


def test_every_setting_that_bounds_something_has_a_row() -> None:
    bounding = re.compile(r"max_|_bytes$|_timeout_s$|^timeout_s$|^grace_s$|^workers$")
    wanted = {name for name, _ in settings() if bounding.search(name.rpartition(".")[2])}
    assert wanted - {entry.setting for entry in ENTRIES} == set()
    assert {entry.setting for entry in ENTRIES} - {""} <= {name for name, _ in settings()}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_row_says_what_it_is_and_what_happens(entry: Entry) -> None:
    assert not entry.purpose.endswith(".")
    assert entry.when_full.endswith(".")
    assert "|" not in entry.purpose + entry.when_full


def test_names_are_told_once() -> None:
    names = [entry.name for entry in ENTRIES]
    assert len(set(names)) == len(names)


def _told(settings: Config) -> dict[str, Bound]:
    """Return the report of an archive that is open and serves nobody, by name."""
    with closing(build(settings)) as app:
        uses = Uses(app)
        assert uses.names <= {entry.name for entry in ENTRIES}
        return {bound.name: bound for bound in report(app.config, uses).bounds}


def test_sizes_are_those_of_the_settings(tmp_path: Path) -> None:
    dicom = DicomConfig(port=0, max_associations=3, max_associations_per_ae=2)
    chosen = config(tmp_path, dicom=dicom, compress={"CT": "jpeg-ls-lossless"})
    found = _told(chosen.model_copy(update={"pixels": PixelsConfig(workers=5, cache_bytes=7)}))
    sizes = {name: bound.size for name, bound in found.items()}
    assert (sizes["associations"], sizes["associations of one AE title"]) == (3, 2)
    assert (sizes["pixel processes"], sizes["transcoded cache"], sizes["compression"]) == (5, 7, 1)
    assert sizes["disk"] == shutil.disk_usage(tmp_path).total - chosen.storage.reserve_bytes
    assert (sizes["intake queue"], sizes["quota"]) == (None, None)


def test_a_disk_with_less_room_than_the_reserve_is_full(tmp_path: Path) -> None:
    assert _told(config(tmp_path / "some"))["disk"].state == "free"
    free = shutil.disk_usage(tmp_path).free
    assert _told(config(tmp_path / "none", reserve_bytes=2 * free))["disk"].state == "full"


def test_a_pool_is_full_when_somebody_waits_for_it(tmp_path: Path) -> None:
    with closing(build(config(tmp_path))) as app:
        go_on, uses = threading.Event(), Uses(app)
        pool = app.services.uploads.pool

        def state() -> tuple[int | None, int | None, str | None]:
            (found,) = (bound for bound in report(app.config, uses).bounds if bound.name == "upload")
            return found.used, found.waiting, found.state

        try:
            for _ in range(pool.size):
                pool.submit(go_on.wait, 20)
            assert wait_until(lambda: state() == (pool.size, 0, "free"), 10)
            pool.submit(go_on.wait, 20)
            assert wait_until(lambda: state() == (pool.size, 1, "full"), 10)
        finally:
            go_on.set()
        assert wait_until(lambda: state() == (0, 0, "free"), 10)
