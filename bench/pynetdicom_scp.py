"""A Storage SCP on pynetdicom that writes the raw bytes and neither indexes nor syncs.

Run as `python -m bench.pynetdicom_scp PORT DIRECTORY`.
"""

import sys
import time
from pathlib import Path

from pynetdicom import AE, evt

from bench import wire
from bench.data import CT, MULTI_FRAME_WORD


def serve(port: int, directory: Path) -> None:
    """Accept associations until the process is ended."""

    def keep(event: evt.Event) -> int:
        path = directory / f"{event.message_id:05d}-{time.monotonic_ns()}.dcm"
        path.write_bytes(event.encoded_dataset())
        return 0

    entity = AE(ae_title="PYNETDICOM")
    entity.maximum_pdu_size = wire.MAX_PDU
    entity.maximum_associations = 64
    entity.add_supported_context(wire.VERIFICATION)
    for sop_class in (CT, MULTI_FRAME_WORD):
        entity.add_supported_context(sop_class, wire.EXPLICIT_LE)
    entity.start_server(("127.0.0.1", port), evt_handlers=[(evt.EVT_C_STORE, keep)], block=True)


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
