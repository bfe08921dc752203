"""Who asks for storage commitment, and who is asked: two nodes of pynetdicom, and our own command."""

import json
import queue
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association

from archimage.protocol.uids import STORAGE_COMMITMENT_PUSH, STORAGE_COMMITMENT_PUSH_INSTANCE
from tests.attacks.datasets import dataset, new_uid
from tests.attacks.server import Server
from tests.attacks.wire import Peer
from tests.interop.peers import free_port

WITHIN_S: Final = 60.0
Told = tuple[int, Dataset]


class Asker:
    """Asks, and hears results on its own associations and at its listener."""

    def __init__(self, ae_title: str = "ASKER") -> None:
        self.ae = AE(ae_title)
        self.port = free_port()
        self.heard: queue.Queue[Told] = queue.Queue()
        self.ae.add_requested_context(STORAGE_COMMITMENT_PUSH)
        self.ae.add_supported_context(STORAGE_COMMITMENT_PUSH, scu_role=False, scp_role=True)
        self._handlers: Any = [(evt.EVT_N_EVENT_REPORT, self._hear)]

    def _hear(self, event: Any) -> tuple[int, None]:
        self.heard.put((event.event_type, event.event_information))
        return 0x0000, None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear results that come on other associations."""
        server: Any = self.ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=self._handlers)
        try:
            yield
        finally:
            server.shutdown()

    @contextmanager
    def associated(self, port: int) -> Iterator[Association]:
        """Be associated with our server."""
        association = self.ae.associate("127.0.0.1", port, ae_title="PACS_SCP", evt_handlers=self._handlers)
        assert association.is_established
        try:
            yield association
        finally:
            association.release()

    def told(self) -> Told:
        """Return the next result."""
        return self.heard.get(timeout=WITHIN_S)


class Committer:
    """Is asked, and lists what; it tells results only when a test wants it to."""

    def __init__(self, ae_title: str = "COMMITTER") -> None:
        self.ae = AE(ae_title)
        self.port = free_port()
        self.asked: queue.Queue[Dataset] = queue.Queue()
        self.associations: queue.Queue[Association] = queue.Queue()
        self.status = 0x0000
        self.ae.add_supported_context(STORAGE_COMMITMENT_PUSH)
        self.ae.add_requested_context(STORAGE_COMMITMENT_PUSH)

    def _act(self, event: Any) -> tuple[int, None]:
        self.asked.put(event.action_information)
        self.associations.put(event.assoc)
        return self.status, None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Be there to be asked."""
        handlers: Any = [(evt.EVT_N_ACTION, self._act)]
        server: Any = self.ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)
        try:
            yield
        finally:
            server.shutdown()

    def report(self, port: int, event_type: int, result: Dataset) -> int:
        """Tell a result on an association of its own, as the SCP; return the status."""
        roles: Any = [build_role(STORAGE_COMMITMENT_PUSH, scp_role=True)]
        association = self.ae.associate("127.0.0.1", port, ae_title="PACS_SCP", ext_neg=roles)
        assert association.is_established
        try:
            return report_on(association, event_type, result)
        finally:
            association.release()


def report_on(association: Association, event_type: int, result: Dataset) -> int:
    """Tell a result on an association; return the status."""
    status, _ = association.send_n_event_report(
        result, event_type, STORAGE_COMMITMENT_PUSH, STORAGE_COMMITMENT_PUSH_INSTANCE
    )
    return int(status.Status)


def items(*pairs: tuple[str, str], reason: int | None = None) -> list[Dataset]:
    """Return items that name objects by SOP class and instance."""
    made = []
    for sop_class, uid in pairs:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
        if reason is not None:
            item.FailureReason = reason
        made.append(item)
    return made


def asking(*pairs: tuple[str, str]) -> Dataset:
    """Return a request about objects."""
    asked = Dataset()
    asked.TransactionUID = generate_uid()
    asked.ReferencedSOPSequence = items(*pairs)
    return asked


def ask(
    association: Association, asked: Dataset, action: int = 1, instance: str = STORAGE_COMMITMENT_PUSH_INSTANCE
) -> int:
    """Ask; return the status."""
    status, _ = association.send_n_action(asked, action, STORAGE_COMMITMENT_PUSH, instance)
    return int(status.Status)


def store(server: Server, count: int) -> list[str]:
    """Store so many objects over an association; return their UIDs."""
    uids = [new_uid() for _ in range(count)]
    with Peer.associated(server.port) as peer:
        for uid in uids:
            assert peer.store(uid, dataset(uid)) == 0
        peer.release()
    return uids


def call(server: Server, path: str, method: str = "GET", body: object = None) -> Any:
    """Call the management API; return what it answers."""
    with closing(HTTPConnection("127.0.0.1", server.http_port, timeout=WITHIN_S)) as connection:
        text = None if body is None else json.dumps(body)
        connection.request(method, f"/api/v1{path}", text, {"Content-Type": "application/json"})
        answer = connection.getresponse().read()
        return json.loads(answer) if answer else None


def request(
    server: Server, ae_title: str, *arguments: str, same_association_s: float = 10.0
) -> "subprocess.Popen[str]":
    """Start our command, which asks a node of a server in the name of its archive."""
    node = next(node for node in call(server, "/nodes") if node["ae_title"] == ae_title)
    config = server.directory.with_suffix(".toml")
    where = f'[nodes.{ae_title}]\nhost = "127.0.0.1"\nport = {node["port"]}\n'
    config.write_text(f"{where}[commitment]\nsame_association_s = {same_association_s}\n", "utf-8")
    command = [sys.executable, "-m", "archimage", "commit", "request", ae_title, *arguments, "--json"]
    command += ["--data", str(server.directory), "--config", str(config)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: "subprocess.Popen[str]") -> tuple[int, Any]:
    """Wait for our command; return its exit code, and what it found, or else what it said."""
    output, told = process.communicate(timeout=WITHIN_S * 2)
    return process.returncode, json.loads(output) if output else told
