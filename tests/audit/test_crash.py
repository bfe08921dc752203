"""A process that is killed while it writes its audit journal loses nothing that was written, and damages nothing."""

import random
import subprocess
import sys
from pathlib import Path
from typing import Final

from archimage.observe.audit.files import numbers, path_of
from archimage.observe.audit.keys import NAME, read_public
from archimage.observe.audit.verify import verify

_KILLS: Final = 15


def test_a_journal_verifies_after_every_kill_and_holds_what_was_written(tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311 - the same moments every time
    directory, kept = tmp_path / "audit" / "0", tmp_path / "audit-heads" / "0.head"
    safe = 0
    for _ in range(_KILLS):
        command = [sys.executable, "-m", "tests.audit.writer", str(tmp_path), str(safe + 1)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(chance.randint(1, 60)):
                safe = int(writer.stdout.readline())
            writer.kill()
            safe = max([safe, *map(int, writer.stdout.read().split("\n")[:-1])])
        found = verify(directory, read_public(tmp_path / "audit" / NAME), kept)
        assert found.bad is None
        text = b"".join(path_of(directory, number).read_bytes() for number in numbers(directory))
        assert all(b"number='%d'" % number in text for number in range(1, safe + 1))
    assert safe > _KILLS


def test_the_end_of_every_file_but_the_last_may_be_torn_at_any_byte(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.audit.writer", str(tmp_path), "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(3):
            writer.stdout.readline()
        writer.kill()
    directory, kept = tmp_path / "audit" / "0", tmp_path / "audit-heads" / "0.head"
    key = read_public(tmp_path / "audit" / NAME)
    path = path_of(directory, numbers(directory)[-1])
    whole = path.read_bytes()
    signed = whole.rindex(kept.read_bytes()) + len(kept.read_bytes())
    for size in range(signed, len(whole), 11):
        path.write_bytes(whole[:size])
        assert verify(directory, key, kept).bad is None, size
