"""A worker process: does one task after the other, within its memory, and ends with the server, however that ends.

    python -m archimage.imaging.worker CHANNEL LIFE MEMORY_BYTES DATA_BYTES MODULE:TASKS

CHANNEL is a socket's descriptor, LIFE that of a pipe whose other end is open as long as the server wants the worker.
A task takes options and data and returns both again; it runs in the main thread and may hang or crash. TASKS is a
mapping of names to tasks, or makes one of a function by which tasks may ask the server for something meanwhile.
"""

import fcntl
import os
import resource
import select
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from itertools import accumulate, pairwise
from typing import Any, Final

from archimage.errors import ArchimageError
from archimage.imaging.channel import Channel

Task = Callable[[dict[str, Any], list[memoryview]], tuple[dict[str, Any], bytes]]
Ask = Callable[[Mapping[str, Any]], bytes]
"""Has the server answer something while a task is done; raises LookupError where it cannot."""

_PACKAGE: Final = "archimage"


def main(arguments: list[str]) -> None:
    """Be a worker until the server goes or a task has used up the memory."""
    channel_fd, life_fd, memory_bytes, data_bytes = map(int, arguments[:4])
    _end_with_server(life_fd)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    channel = Channel(socket.socket(fileno=channel_fd), data_bytes)
    tasks = _load(arguments[4], channel)
    channel.send({"ready": True}, ())
    _be_quiet()
    while _serve_one(channel, tasks):
        pass


def _end_with_server(life_fd: int) -> None:
    """Have the kernel end this process by SIGIO once the pipe's other end is closed, even in the middle of a codec."""
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(life_fd, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(life_fd, fcntl.F_SETFL, fcntl.fcntl(life_fd, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([life_fd], [], [], 0)[0]:
        sys.exit()


def _load(name: str, channel: Channel) -> Mapping[str, Task]:
    module, _, attribute = name.partition(":")
    found: Any = getattr(import_module(module), attribute)
    tasks: Mapping[str, Task] = found(partial(_ask, channel)) if callable(found) else found
    return tasks


def _ask(channel: Channel, wanted: Mapping[str, Any]) -> bytes:
    channel.send({"wants": wanted}, ())
    told, data = channel.receive()
    if "error" in told:
        raise LookupError(told["error"])
    return data


def _be_quiet() -> None:
    """Keep what codecs print about hostile input out of the server's log."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _serve_one(channel: Channel, tasks: Mapping[str, Task]) -> bool:
    """Do one task; False when there will be no other."""
    try:
        request, data = channel.receive()
    except EOFError:
        return False
    number = request["number"]
    try:
        result, answer = tasks[request["task"]](request["options"], _split(data, request["sizes"]))
    except MemoryError:
        # What is left of it after that, nobody knows.
        message = "decoding it takes more memory than a worker may use"
        channel.send({"number": number, "error": "InvalidPixelDataError", "message": message, "last": True}, ())
        return False
    except Exception as error:  # a worker serves on after whatever a task raises
        channel.send({"number": number, **_explain(error)}, ())
    else:
        channel.send({"number": number, "result": result}, [answer])
    return True


def _split(data: bytes, sizes: list[int]) -> list[memoryview]:
    whole = memoryview(data)
    return [whole[start:end] for start, end in pairwise(accumulate(sizes, initial=0))]


def _explain(error: Exception) -> dict[str, Any]:
    """Describe an error; of one that is not ours only the kind and the place: its text may hold a patient's data."""
    if isinstance(error, ArchimageError):
        return {"error": type(error).__name__, "message": str(error)}
    place, trace = "", error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__", "")
        if name.partition(".")[0] == _PACKAGE:
            place = f"{name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return {"error": "", "message": f"{type(error).__name__} at {place}"}


if __name__ == "__main__":
    main(sys.argv[1:])
