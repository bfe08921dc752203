"""How many threads a server starts; it imports nothing, so that a command which serves nobody need not either."""

import os
from typing import Final

_CORES: Final = os.cpu_count() or 1

INGEST_THREADS: Final = 4
READ_THREADS: Final = 8
WEB_THREADS: Final = 8
IMAGE_THREADS: Final = 2 * _CORES + 2
"""They wait for the worker processes, each for one frame or object at a time."""
DEFAULT_THREADS: Final = min(32, _CORES + 4)
"""Those that the event loop itself has; as many as Python would give it."""
