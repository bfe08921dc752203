"""Storage commitment with CTN: storage_commit asks us and commit_agent hears it; and we ask its archive."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from tests.attacks.datasets import new_uid
from tests.attacks.server import Server, running, wait_until
from tests.attacks.wire import CT
from tests.interop.committing import WITHIN_S, call, ended, request, store
from tests.interop.ctn import Ctn, Title, run_ctn
from tests.interop.peers import free_port

_REQUESTED: Final = (
    "SELECT SOPInsUID, TraUID, ReqAE, ResAE, ResDat > 0 FROM StorageCommitReq JOIN CommitSOPRef USING (TraUID)"
)
_COMMITTED: Final = "SOP Instances committed: "
_FAILED: Final = "SOP Instances failed: "


@dataclass(frozen=True)
class Site:
    """Our server, and CTN's instrument and archive, who know each other."""

    server: Server
    ctn: Ctn
    instrument: Title
    archive: Title


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """CTN's databases and our server, which does not wait for long until it reports on another association."""
    folder = tmp_path_factory.mktemp("ctn")
    instrument, archive = Title("CTN_INSTRUMENT", free_port()), Title("CTN_ARCHIVE", free_port())
    options = [part for one in (instrument, archive) for part in ("--node", f"{one.ae_title}=127.0.0.1:{one.port}")]
    settings = {"commitment__same_association_s": 1.0}
    with run_ctn(folder) as ctn, running(folder / "archive" / "data", options, settings) as server:
        ctn.know((instrument, archive), "PACS_SCP", server.port)
        yield Site(server, ctn, instrument, archive)


@pytest.mark.parametrize("absent", [0, 1])
def test_commit_agent_hears_what_is_committed_to_and_what_is_not(site: Site, absent: int) -> None:
    ctn, instrument, study = site.ctn, site.instrument, new_uid()
    uids = store(site.server, 2) + [new_uid() for _ in range(absent)]
    ctn.keep(instrument, study, *((CT, uid) for uid in uids))
    with ctn.running("commit_agent", "-i", str(instrument.port), port=instrument.port) as log:
        ctn.run("storage_commit", "-d", instrument.images, "-i", instrument.requests, "-u", study, "PACS_SCP")
        transaction, asker, asked, _ = _requested(site)[uids[0]]
        assert (asker, asked) == ("CTN_INSTRUMENT", "PACS_SCP")
        assert wait_until(lambda: {_requested(site)[uid][3] for uid in uids} == {"1"}, WITHIN_S), log.read_text()
        # The agent's process for one association prints when it ends.
        assert wait_until(lambda: "Exiting" in log.read_text(), WITHIN_S), log.read_text()
        told = [line.strip() for line in log.read_text().splitlines() if line.strip().startswith("SOP Instances ")]
    assert told == [f"{_COMMITTED}2", *([f"{_FAILED}{absent}"] if absent else [])]
    assert wait_until(lambda: _state(site.server, transaction) == ("reported", absent), WITHIN_S)


def _requested(site: Site) -> dict[str, list[str]]:
    """Return what CTN keeps of its requests, by SOP instance; the last column tells whether it was answered."""
    return {uid: rest for uid, *rest in site.ctn.sql(_REQUESTED, site.instrument.requests)}


def _state(server: Server, transaction_uid: str) -> tuple[str, int]:
    """Return how far a transaction is, and how many objects failed."""
    found = next(one for one in call(server, "/commitments?limit=1000") if one["transaction_uid"] == transaction_uid)
    return found["state"], found["failed"]


@pytest.mark.parametrize("absent", [0, 1])
def test_our_command_asks_ctns_archive_which_answers_at_our_listener(site: Site, absent: int) -> None:
    ctn, archive = site.ctn, site.archive
    uids = store(site.server, 2)
    kept, missing = uids[absent:], uids[:absent]
    ctn.keep(archive, new_uid(), *((CT, uid) for uid in kept))
    with ctn.running("archive_server", "-i", str(archive.port), port=archive.port):
        process = request(site.server, archive.ae_title, *uids, same_association_s=1.0)
        assert wait_until(lambda: ctn.sql("SELECT 1 FROM WorkQueue", archive.requests) == [["1"]], WITHIN_S)
    # The agent looks for work when it starts, and then four times a minute.
    with ctn.running("archive_agent", "-d", archive.images, "-i", archive.requests):
        code, found = ended(process)
        assert wait_until(lambda: ctn.sql("SELECT 1 FROM WorkQueue", archive.requests) == [], WITHIN_S)
    assert code == (1 if absent else 0)
    assert (found["commitment"]["state"], found["commitment"]["count"]) == ("answered", 2)
    assert [one["sop_instance_uid"] for one in found["problems"]] == missing
