"""`python -m tests.nodes.ringing NAME DIRECTORY DATABASE`: a whole node, and a timer that rings each second.

Each time that it rings the node's name is noted in the table `rung` of the database.
"""

import os
import sys
from contextlib import closing

import psycopg
import uvloop

from archimage import server
from archimage.app import build
from archimage.listeners import Addresses
from archimage.settings import load


def main() -> None:
    """Serve until SIGTERM."""
    name, directory, url = sys.argv[1:]
    given = {
        "dicom": {"port": 0},
        "http": {"port": 0},
        "storage": {"directory": directory},
        "index": {"url": url},
        "node": {"name": name},
    }
    config = load(given, os.environ, None)

    def ring() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("INSERT INTO rung VALUES (%s)", (name,))

    def ready(_: Addresses) -> None:
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    with closing(build(config)) as archive:
        archive.jobs.service.every("tick", "* * * * * *", ring)
        uvloop.run(server.serve(archive, ready, lambda: config))


if __name__ == "__main__":
    main()
