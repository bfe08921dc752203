"""`archimage get`: fetch what a peer keeps into a folder, over one association (C-GET)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archimage.cli.keys import check_level, check_model, identifier
from archimage.cli.move import follow, report
from archimage.cli.options import (
    CALLED,
    CALLING,
    Called,
    Calling,
    Host,
    Json,
    JwtFile,
    Keys,
    Level,
    Login,
    Model,
    PasscodeFile,
    Port,
    Tls,
    User,
)

if TYPE_CHECKING:
    from archimage.net.operations import IncomingInstance, SubOperationProgress

Output = Annotated[
    Path, typer.Option("-o", "--output", help="Folder to write into; made when it is not there.", file_okay=False)
]


def get(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    host: Host,
    port: Port,
    output: Output = Path(),
    level: Level = "STUDY",
    key: Keys = None,
    model: Model = "study",
    calling: Calling = CALLING,
    called: Called = CALLED,
    tls: Tls = False,
    user: User = None,
    passcode_file: PasscodeFile = None,
    jwt_file: JwtFile = None,
    json: Json = False,
) -> None:
    """Fetch what a peer keeps (C-GET).

    Every object becomes SOPInstanceUID.dcm in the folder, as the peer sent it.
    """
    from archimage.cli import peer
    from archimage.net.getting import kept_classes, storage_pairs
    from archimage.net.proposals import as_receiver, for_services, propose
    from archimage.protocol import uids

    node = peer.node(called, host, port, tls=tls, login=Login(user, passcode_file, jwt_file))
    level, keys = check_level(level), key or []
    by_patient = check_model(model) == "patient"
    sop_class = uids.PATIENT_ROOT_GET if by_patient else uids.STUDY_ROOT_GET
    find_class = uids.PATIENT_ROOT_FIND if by_patient else uids.STUDY_ROOT_FIND
    identifier(level, keys, (), uids.EXPLICIT_VR_LITTLE_ENDIAN)
    output.mkdir(parents=True, exist_ok=True)

    async def ask() -> "tuple[SubOperationProgress, str]":
        kept = await kept_classes(
            lambda proposed: peer.associate(node, calling, proposed),
            find_class,
            lambda syntax: identifier("IMAGE", keys, ("SOPClassUID",), syntax),
        )
        storage = storage_pairs(kept)
        operation = for_services(sop_class)
        contexts = propose([(operation[0].abstract_syntax, operation[0].transfer_syntaxes), *storage])
        async with await peer.associate(node, calling, contexts, as_receiver(contexts[1:])) as association:
            syntax = association.context(sop_class).transfer_syntax
            counts = association.get(sop_class, identifier(level, keys, (), syntax), lambda new: _File(output, new))
            return await follow(counts, f"Fetching into {output}"), syntax

    report(*peer.run(ask()), who=str(node), as_json=json, directory=str(output))


class _File:
    """One object on its way into a folder: a file under another name until it is whole."""

    def __init__(self, folder: Path, incoming: "IncomingInstance") -> None:
        from archimage.dicom.part10 import FileMeta, encode_file_meta
        from archimage.model.ids import check_uid
        from archimage.protocol.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

        self._path = folder / f"{check_uid(incoming.sop_instance_uid)}.dcm"
        self._partial = self._path.with_suffix(".part")
        meta = FileMeta(
            check_uid(incoming.sop_class_uid),
            incoming.sop_instance_uid,
            incoming.transfer_syntax_uid,
            IMPLEMENTATION_CLASS_UID,
            IMPLEMENTATION_VERSION_NAME,
        )
        self._file = self._partial.open("wb", buffering=0)
        self._file.write(encode_file_meta(meta))

    def write(self, pieces: Sequence[memoryview]) -> None:
        """Append pieces."""
        for piece in pieces:
            rest = piece
            while rest:
                rest = rest[self._file.write(rest) :]

    def finish(self) -> int:
        """Give the file its name."""
        self._file.close()
        self._partial.replace(self._path)
        return 0

    def discard(self) -> None:
        """Remove the file."""
        self._file.close()
        self._partial.unlink(missing_ok=True)
