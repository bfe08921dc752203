"""Files to send in another transfer syntax than they are in, because the peer does not take that one."""

from archimage.cli.workbench import Workbench
from archimage.services.sources import Identity, Source
from archimage.services.transcoding import Transcoded, TranscodingService


class FileTranscoder:
    """Makes copies of files in other transfer syntaxes, on a workbench."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._service = TranscodingService(bench.frames, bench.pool, bench.made)

    def transcode(self, source: Source, identity: Identity, target: str) -> Transcoded:
        """Return a copy, open; blocks, and may be called from several threads.

        Raises:
            ArchimageError: there is none, or it cannot be made.
            OSError: the file cannot be read, or there is no room.
        """
        with self._bench.copied(source, identity) as instance:
            return self._service.transcode(instance, target)
