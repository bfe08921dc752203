"""How a server's process ends."""

import os
import sys
from typing import NoReturn


def leave() -> NoReturn:
    """End the process here and now; everything must be closed and durable.

    To take apart what is loaded costs the interpreter 40 ms, and the kernel takes the memory back all the same.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
