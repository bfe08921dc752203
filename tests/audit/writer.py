"""A process that writes a journal until it is killed, and says which messages are safe."""

import sys
from itertools import count
from pathlib import Path

from archimage.observe.audit.journal import Journal
from archimage.observe.audit.keys import take_key


def main() -> None:
    """Write to the archive of a directory, from a message's number on."""
    root, first = Path(sys.argv[1]), int(sys.argv[2])
    (root / "audit").mkdir(exist_ok=True)
    key = take_key(root / "audit")
    journal = Journal(root / "audit" / "0", root / "audit-heads" / "0.head", key, file_bytes=20_000)
    for number in count(first):
        journal.write([b"<AuditMessage number='%d'/>" % number] * 3)
        if number % 7 == 0:
            journal.sign()
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


main()
