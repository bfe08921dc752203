"""Debian's CTN with a MariaDB of its own, in which its programs keep what they ask, are asked and have."""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from tests.interop.peers import ENVIRONMENT, free_port, listens, process, tool, wait_until

WITHIN_S: Final = 60.0
_SCRIPTS: Final = Path("/usr/share/ctn/mysql")
_CONTROL: Final = "CTNControl"
_COUNTERS: Final = ("DEVICE", "SERIAL", "STORAGECOMMITTRANSACTION")
_LOG_BYTES: Final = 16 << 20
_SMALL: Final = "--innodb-log-file-size=4M"
# CTN logs in with this name and this password, whatever it is told.
_ACCOUNT: Final = "CREATE USER ctn@127.0.0.1 IDENTIFIED BY 'ctn';\nGRANT ALL ON *.* TO ctn@127.0.0.1;\n"


@dataclass(frozen=True)
class Title:
    """An application entity of CTN: its images are in one database, what was asked for them in another."""

    ae_title: str
    port: int

    @property
    def images(self) -> str:
        """Name of the database of its images."""
        return f"{self.ae_title}_IDB"

    @property
    def requests(self) -> str:
        """Name of the database of its requests."""
        return f"{self.ae_title}_FIS"


@dataclass(frozen=True)
class Ctn:
    """CTN's programs, and what they keep."""

    folder: Path
    environment: Mapping[str, str]

    def sql(self, statements: str, database: str = "") -> list[list[str]]:
        """Run statements; return the rows as text."""
        port = self.environment["CTN_MYSQL_SERVER_PORT"]
        command = [tool("mariadb"), "--no-defaults", "--protocol=TCP", "--host=127.0.0.1", f"--port={port}"]
        command += ["--user=ctn", "--password=ctn", "--batch", "--skip-column-names", database]
        done = subprocess.run(command, input=statements, capture_output=True, check=False, timeout=WITHIN_S, text=True)
        assert done.returncode == 0, done.stderr
        return [line.split("\t") for line in done.stdout.splitlines()]

    def run(self, *arguments: str) -> str:
        """Run a program to its end; return what it prints."""
        program, *rest = arguments
        done = subprocess.run(
            [tool(program), *rest],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.environment,
            cwd=self.folder,
            timeout=WITHIN_S,
            check=False,
            encoding="ascii",
            errors="replace",
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    @contextmanager
    def running(self, *arguments: str, port: int | None = None) -> Iterator[Path]:
        """Run a program in the background, from when it listens on a port; yield where its output goes."""
        program, *rest = arguments
        # A program that has lost its database complains without end.
        command = [tool("prlimit"), f"--fsize={_LOG_BYTES}", tool(program), *rest]
        log = self.folder / f"{program}.log"
        with process(command, log, cwd=self.folder, env=self.environment) as running:
            if port is not None:
                wait_until(running, lambda: _listening(running.pid, port), log)
            yield log

    def keep(self, title: Title, study_instance_uid: str, *instances: tuple[str, str]) -> None:
        """Enter a study with these instances, by SOP class and instance, among the images of a title."""
        patient, series = f"DEMO-{study_instance_uid[-12:]}", f"{study_instance_uid}.1"
        rows = [
            _row("PatientLevel", PatID=patient, PatNam="Demo^CTN"),
            _row("StudyLevel", StuInsUID=study_instance_uid, PatParent=patient),
            _row("SeriesLevel", SerInsUID=series, StuParent=study_instance_uid),
            *(_row("ImageLevel", SOPClaUID=sop_class, SOPInsUID=uid, SerParent=series) for sop_class, uid in instances),
        ]
        self.sql("".join(rows), title.images)

    def know(self, titles: Sequence[Title], ae_title: str, port: int) -> None:
        """Make the databases of its own titles, and let a peer and them know each other."""
        self._create(_CONTROL, "Control")
        for title in titles:
            self._create(title.images, "DIM")
            self._create(title.requests, "FIS")
        rows = [_row("ApplicationEntity", Title=ae_title, Node="127.0.0.1", Port=str(port))]
        for title in titles:
            rows += [
                _row("ApplicationEntity", Title=title.ae_title, Node="127.0.0.1", Port=str(title.port)),
                _row("SecurityMatrix", RequestingTitle=ae_title, RespondingTitle=title.ae_title),
                _row("StorageAccess", Title=title.ae_title, DbKey=title.images),
                _row("FISAccess", Title=title.ae_title, DbKey=title.requests),
            ]
        self.sql("".join(rows), _CONTROL)

    def _create(self, database: str, script: str) -> None:
        self.sql(f"CREATE DATABASE {database}")
        self.sql((_SCRIPTS / f"Create{script}Tables.script").read_text("ascii"), database)


def _row(table: str, **columns: str) -> str:
    """Return the statement that enters a row."""
    values = ", ".join(f"{name} = '{value}'" for name, value in columns.items())
    return f"INSERT INTO {table} SET {values};\n"


def _listening(pid: int, port: int) -> bool:
    """Tell whether a process listens; to connect would be an association request to CTN, and a wrong one."""
    sockets = psutil.Process(pid).net_connections("tcp")
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in sockets)


@contextmanager
def run_ctn(folder: Path) -> Iterator[Ctn]:
    """Run a MariaDB for CTN's programs, empty but for the account that they use."""
    tool("storage_commit")  # with which the tables come
    port, data, account, uids, log = free_port(), *(folder / name for name in ("db", "init.sql", "uids", "db.log"))
    account.write_text(_ACCOUNT)
    uids.write_text("ROOT 1.2.826.0.1\n" + "".join(f"{name} 1\n" for name in _COUNTERS))
    install = [tool("mariadb-install-db"), "--no-defaults", f"--datadir={data}", "--skip-test-db"]
    install += ["--auth-root-authentication-method=normal", _SMALL]
    done = subprocess.run(install, capture_output=True, check=False, timeout=WITHIN_S, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    # CTN leaves out columns that may not be empty, which is no error only without an SQL mode.
    command = [tool("mariadbd"), "--no-defaults", f"--user={os.getuid()}", f"--datadir={data}", "--sql-mode=", _SMALL]
    command += ["--bind-address=127.0.0.1", f"--port={port}", f"--socket={folder / 'db.socket'}"]
    command += ["--skip-name-resolve", f"--init-file={account}", f"--pid-file={folder / 'db.pid'}"]
    with process(command, log) as running:
        wait_until(running, lambda: listens(port), log)
        where = {"CTN_MYSQL_SERVER": "127.0.0.1", "CTN_MYSQL_SERVER_PORT": str(port), "UIDFILE": str(uids)}
        yield Ctn(folder, {**ENVIRONMENT, **where})
