"""`python -m tests.crash.remover DIRECTORY`: removes what it is told to, a study a line, in a process of its own."""

import sys
from contextlib import closing
from pathlib import Path

from archimage.app import build
from archimage.config import Config, StorageConfig
from archimage.config_observing import LogConfig


def main() -> None:
    """Answer each line once what it names is removed."""
    storage = StorageConfig(directory=Path(sys.argv[1]), journal_segment_bytes=4 << 20)
    with closing(build(Config(storage=storage, log=LogConfig(level="error")))) as archive:
        _say("ready")
        for line in sys.stdin:
            removal = archive.services.removal
            (removal.remove_study, removal.remove_series, removal.remove_instance)[len(line.split()) - 1](*line.split())
            _say("removed")


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
