"""rsyslog as the audit repository: messages come over TLS, and all of them, whenever it is killed.

Ref: PS3.15 §A.6, RFC 5424, RFC 5425.
"""

import signal
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from archimage.model.audit import AuditEvent
from archimage.observe.audit.forward import Forwarder, Repository
from archimage.observe.audit.xml import encode
from archimage.services.audit_messages import Instances, Messages, Peer, Subject, peer
from archimage.storage.lanes import Turn
from tests.attacks.server import wait_until
from tests.audit.journals import Place
from tests.audit.schema import problems
from tests.interop.peers import free_port, listens, tool
from tests.tls.keys import Keys, make_keys

_CONFIGURATION: Final = """
global(
    workDirectory="{directory}"
    maxMessageSize="64k"
    defaultNetstreamDriver="gtls"
    defaultNetstreamDriverCAFile="{authority}"
    defaultNetstreamDriverCertFile="{certificate}"
    defaultNetstreamDriverKeyFile="{key}"
)
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
input(type="imtcp" address="127.0.0.1" port="{port}")
template(name="kept" type="string" string="%pri% %msgid% %app-name% %procid% %msg%\\n")
action(type="omfile" file="{directory}/kept.log" template="kept")
"""
_WITHIN_S: Final = 40.0


class Rsyslog:
    """An rsyslog that can be killed and started again."""

    def __init__(self, directory: Path, keys: Keys) -> None:
        self.port = free_port()
        self.kept = directory / "kept.log"
        self._directory = directory
        self._file = directory / "rsyslog.conf"
        self._file.write_text(
            _CONFIGURATION.format(
                directory=directory,
                authority=keys.certificate("authority"),
                certificate=keys.certificate("server"),
                key=keys.key("server"),
                port=self.port,
            ),
            "utf-8",
        )
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        arguments: list[str | Path] = [tool("rsyslogd"), "-n", "-f", self._file, "-i", self._directory / "pid"]
        with (self._directory / "log").open("ab") as log:
            self._running = subprocess.Popen(arguments, stdout=log, stderr=log)
        assert wait_until(lambda: listens(self.port), 20.0)

    def kill(self) -> None:
        """Kill it, as a power cut would."""
        if self._running is not None:
            self._running.send_signal(signal.SIGKILL)
            self._running.wait(20)
            (self._directory / "pid").unlink(missing_ok=True)
            self._running = None

    def messages(self) -> list[str]:
        """Return what it has kept."""
        return self.kept.read_text("utf-8").splitlines() if self.kept.exists() else []


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Certificates of archive and repository, and of who vouches for them."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def rsyslog(tmp_path: Path, keys: Keys) -> Iterator[Rsyslog]:
    """A repository that is not started yet."""
    directory = tmp_path / "rsyslog"
    directory.mkdir()
    repository = Rsyslog(directory, keys)
    yield repository
    repository.kill()


def _event(number: int) -> AuditEvent:
    messages = Messages("ARCHIVE", "1", "archive.example")
    asking = peer(Peer(f"PEER{number}", "192.0.2.1"), requestor=True)
    return messages.queried(asking, messages.asked("1.2", b"\0" * 9_000, "1.2.3"))


def _small(number: int) -> AuditEvent:
    messages = Messages("ARCHIVE", "1", "archive.example")
    who = peer(Peer(f"PEER{number}", "192.0.2.1"), requestor=True)
    return messages.transferred(who, messages.here(), Instances(Subject("1.2.3", "P1", "Demo^CT")), stored=True)


def _forwarder(place: Place, rsyslog: Rsyslog, context: Callable[[], ssl.SSLContext]) -> Forwarder:
    root = place.directory.parent
    return Forwarder(root, Repository("127.0.0.1", rsyslog.port, context), partial(Turn.take, root / "forward.lock"))


@pytest.fixture
def context(keys: Keys) -> Callable[[], ssl.SSLContext]:
    """What the archive secures its connections with."""
    return partial(keys.client, "CT1")


def _has(rsyslog: Rsyslog, number: int) -> bool:
    return any(f'UserID="PEER{number}"' in message for message in rsyslog.messages())


def test_nothing_is_lost_while_the_repository_is_away_and_the_order_is_kept(
    tmp_path: Path, rsyslog: Rsyslog, context: Callable[[], ssl.SSLContext]
) -> None:
    place = Place(tmp_path)
    journal = place.open(file_bytes=200_000)
    with closing(journal), closing(_forwarder(place, rsyslog, context)) as forwarder:
        numbers = iter(range(1_000))

        def write(count: int) -> int:
            last = 0
            for _ in range(count):
                last = next(numbers)
                journal.write([encode(_event(last), "ARCHIVE")])
            forwarder.wake()
            return last

        write(50)
        rsyslog.start()
        assert wait_until(lambda: _has(rsyslog, 49), _WITHIN_S)
        for _ in range(3):
            write(20)
            rsyslog.kill()  # in the middle of it
            last = write(20)
            assert wait_until(lambda: forwarder.unsent_s > 0, _WITHIN_S)
            rsyslog.start()
            assert wait_until(partial(_has, rsyslog, last), _WITHIN_S)
        assert wait_until(lambda: forwarder.unsent_s == 0, _WITHIN_S)
        written = last + 1

    messages = rsyslog.messages()
    first = list(dict.fromkeys(message.partition('UserID="PEER')[2].partition('"')[0] for message in messages))
    assert first == [str(number) for number in range(written)]
    assert written == 170
    for message in messages:
        head, _, xml = message.partition("<AuditMessage>")
        assert head.startswith("85 DICOM+RFC3881 archimage 0 ")
        assert problems(b"<AuditMessage>" + xml.encode()) == ""


def test_what_ten_minutes_bring_while_the_repository_is_away_is_all_there_afterwards(
    tmp_path: Path, rsyslog: Rsyslog, context: Callable[[], ssl.SSLContext]
) -> None:
    """By volume: ten messages a second for ten minutes, as fast as they can be written."""
    place, count = Place(tmp_path), 10 * 600
    rsyslog.start()
    with closing(place.open()) as journal, closing(_forwarder(place, rsyslog, context)) as forwarder:
        journal.write([encode(_small(0), "ARCHIVE")])
        forwarder.wake()
        assert wait_until(partial(_has, rsyslog, 0), _WITHIN_S)
        rsyslog.kill()
        for start in range(1, count, 250):
            journal.write([encode(_small(number), "ARCHIVE") for number in range(start, min(count, start + 250))])
        forwarder.wake()
        assert wait_until(lambda: forwarder.unsent_s > 0, _WITHIN_S)
        rsyslog.start()
        assert wait_until(lambda: rsyslog.kept.stat().st_size > 0 and _has(rsyslog, count - 1), 90)
        assert wait_until(lambda: forwarder.unsent_s == 0, _WITHIN_S)
    told = [message.partition('UserID="PEER')[2].partition('"')[0] for message in rsyslog.messages()]
    assert list(dict.fromkeys(told)) == [str(number) for number in range(count)]


def test_who_forwards_next_goes_on_where_the_last_one_ended(
    tmp_path: Path, rsyslog: Rsyslog, context: Callable[[], ssl.SSLContext]
) -> None:
    place = Place(tmp_path)
    rsyslog.start()
    with closing(place.open()) as journal:
        for number in range(2):
            journal.write([encode(_event(number), "ARCHIVE")])
            with closing(_forwarder(place, rsyslog, context)) as forwarder:
                assert wait_until(partial(_has, rsyslog, number), _WITHIN_S)
                assert wait_until(lambda: forwarder.unsent_s == 0, _WITHIN_S)
    assert len(rsyslog.messages()) == 2


def test_a_repository_that_nobody_vouches_for_gets_nothing(tmp_path: Path, rsyslog: Rsyslog, keys: Keys) -> None:
    tried: list[ssl.SSLContext] = []

    def context() -> ssl.SSLContext:
        tried.append(keys.client("CT1", trusting="other-authority"))
        return tried[-1]

    place = Place(tmp_path)
    rsyslog.start()
    with closing(place.open()) as journal:
        journal.write([encode(_event(0), "ARCHIVE")])
        with closing(_forwarder(place, rsyslog, context)) as forwarder:
            assert wait_until(lambda: len(tried) > 1, _WITHIN_S)
            assert forwarder.unsent_s > 0
    assert not rsyslog.messages()
