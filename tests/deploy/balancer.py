"""The real HAProxy with the configuration of `deploy/haproxy`, before real servers on free ports of this machine."""

import contextlib
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.attacks.server import wait_until

ROOT: Final = Path(__file__).parents[2]
CONFIGURATION: Final = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
CERTIFICATE: Final = "/usr/local/etc/haproxy/certificate.pem"
BINDS: Final = {"dicom": 11112, "dicom_tls": 2762, "hl7": 2575, "web": 8443, "redirect": 8080, "metrics": 8404}
_WITHIN_S: Final = 10.0


@dataclass(frozen=True)
class Backends:
    """Where a node listens: its ports by those that it has in the configuration."""

    ports: Mapping[int, int]


@dataclass(frozen=True)
class Balancer:
    """A running HAProxy: its ports by the names of its frontends."""

    process: "subprocess.Popen[bytes]"
    ports: Mapping[str, int]
    log: Path

    def up(self, backend: str = "dicom") -> int:
        """Count the nodes that take part in a backend."""
        with socket.create_connection(("127.0.0.1", self.ports["metrics"]), 10) as connection:
            connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            told = b"".join(iter(lambda: connection.recv(65_536), b"")).decode()
        states = re.findall(rf'haproxy_server_status{{proxy="{backend}",server="\w+",state="UP"}} (\d)', told)
        return sum(map(int, states))

    def wait_until_up(self, count: int) -> None:
        """Wait until so many nodes take part everywhere."""
        backends = ("dicom", "dicom_tls", "hl7", "web")
        assert wait_until(lambda: all(self.up(name) == count for name in backends), _WITHIN_S), self.log.read_text()


def missing() -> str:
    """Say what installs HAProxy where there is none."""
    return "" if shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin") else "make peers installs HAProxy"


def rewritten(nodes: Sequence[Backends], certificate: Path, fds: Mapping[str, int]) -> str:
    """Return the configuration with other ports, addresses and files, and nothing else changed."""
    text = CONFIGURATION.read_text("utf-8").replace(CERTIFICATE, str(certificate))
    for name, port in BINDS.items():
        text, times = re.subn(rf"(frontend {name}\n    bind) :{port}\b", rf"\1 fd@{fds[name]}", text)
        assert times == 1, name

    def server(found: re.Match[str]) -> str:
        name, node, port, more = found[1], nodes[int(found[2]) - 1], int(found[3]), found[4]
        return f"server {name} 127.0.0.1:{node.ports[port]}" + more.replace("8042", str(node.ports[8042]))

    return re.sub(r"server (archimage(\d)) archimage\d:(\d+)(.*)", server, text)


@contextmanager
def balancing(directory: Path, nodes: Sequence[Backends], certificate: Path) -> Iterator[Balancer]:
    """Run HAProxy before nodes until the end of the block; its ports are bound before it starts."""
    with ExitStack() as held:
        sockets = {name: held.enter_context(socket.create_server(("127.0.0.1", 0))) for name in BINDS}
        fds = {name: one.fileno() for name, one in sockets.items()}
        file, log = directory / "haproxy.cfg", directory / "haproxy.log"
        file.write_text(rewritten(nodes, certificate, fds))
        checked = subprocess.run(
            ["haproxy", "-c", "-f", str(file)], pass_fds=fds.values(), capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stderr
        assert "WARNING" not in checked.stderr
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["haproxy", "-f", str(file)], pass_fds=fds.values(), stdout=output, stderr=subprocess.STDOUT
            )
        try:
            yield Balancer(process, {name: one.getsockname()[1] for name, one in sockets.items()}, log)
        finally:
            process.kill()
            process.wait(10)
            with contextlib.suppress(FileNotFoundError):
                file.unlink()
