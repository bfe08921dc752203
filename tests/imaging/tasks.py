"""Tasks for the tests' workers: some do their work, the others do what broken codecs and intruders do."""

import os
import resource
import signal
import socket
import sys
from typing import Any

from archimage.errors import NotAcceptableError
from archimage.imaging.channel import Channel

Options = dict[str, Any]
Data = list[memoryview]
Result = tuple[Options, bytes]


def echo(options: Options, data: Data) -> Result:
    """Give back what was given."""
    return options, b"|".join(data)


def limits(_options: Options, _data: Data) -> Result:
    """Say what the process may use and see."""
    secrets = [name for name in os.environ if name.startswith("ARCHIMAGE__")]
    return {"memory": resource.getrlimit(resource.RLIMIT_AS)[1], "secrets": secrets, "pid": os.getpid()}, b""


def hang(_options: Options, _data: Data) -> Result:
    """Never end, and let no signal handler run."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    while True:
        pass


def eat(_options: Options, _data: Data) -> Result:
    """Take all memory."""
    return {}, b"".join([bytes(64 << 20) for _ in range(1000)])


def die(options: Options, _data: Data) -> Result:
    """Be killed."""
    os.kill(os.getpid(), options["signal"])
    return hang({}, [])


def leave(_options: Options, _data: Data) -> Result:
    """Exit as if all were well."""
    sys.exit(0)


def refuse(_options: Options, _data: Data) -> Result:
    """Raise an error of ours."""
    raise NotAcceptableError("there are no pixels")


def fail(_options: Options, _data: Data) -> Result:
    """Raise an error whose text names a patient."""
    raise KeyError("DOE^JANE")


def babble(options: Options, _data: Data) -> Result:
    """Answer with bytes that are no message."""
    socket.socket(fileno=int(sys.argv[1])).sendall(bytes.fromhex(options["bytes"]))
    return hang({}, [])


def answer(options: Options, _data: Data) -> Result:
    """Answer with another head; `number` in it stands for that of the task."""
    number = _number()
    head = {key: number if value == "number" else value for key, value in options["head"].items()}
    Channel(socket.socket(fileno=int(sys.argv[1])), 0).send(head, ())
    return hang({}, [])


def answer_twice(options: Options, _data: Data) -> Result:
    """Prepare an answer to whatever is asked next."""
    channel = Channel(socket.socket(fileno=os.dup(int(sys.argv[1]))), 0)
    now = _number()
    for number in (now, now + 1):
        channel.send({"number": number, "result": {"forged": True}}, ())
    return options, b""


def _number() -> int:
    """Return the number of the task that is being done."""
    return int(sys._getframe(2).f_locals["number"])


TASKS = {
    task.__name__: task for task in (echo, limits, hang, eat, die, leave, refuse, fail, babble, answer, answer_twice)
}
