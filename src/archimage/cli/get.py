"""`archimage get`: fetch what a peer keeps into a folder, over one association (C-GET)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from archimage.cli.keys import check_level, check_model, identifier, plain
from archimage.cli.move import follow, report
from archimage.cli.options import CALLED, CALLING, Called, Calling, Host, Json, Keys, Level, Model, Port

if TYPE_CHECKING:
    from archimage.net.conversation import RemoteNode
    from archimage.net.operations import IncomingInstance, SubOperationProgress

Output = Annotated[
    Path, typer.Option("-o", "--output", help="Folder to write into; made when it is not there.", file_okay=False)
]

_CONTEXTS: Final = 126  # of 128: one is C-GET itself
_COMMON: Final = (
    "CT Image Storage", "MR Image Storage", "Computed Radiography Image Storage", "Secondary Capture Image Storage",
    "Digital X-Ray Image Storage - For Presentation", "Digital Mammography X-Ray Image Storage - For Presentation",
    "Ultrasound Image Storage", "Ultrasound Multi-frame Image Storage", "X-Ray Angiographic Image Storage",
    "X-Ray Radiofluoroscopic Image Storage", "Positron Emission Tomography Image Storage",
    "Nuclear Medicine Image Storage", "Enhanced CT Image Storage", "Enhanced MR Image Storage", "Segmentation Storage",
    "RT Image Storage", "RT Dose Storage", "RT Structure Set Storage", "RT Plan Storage", "Encapsulated PDF Storage",
    "Grayscale Softcopy Presentation State Storage", "Key Object Selection Document Storage", "Enhanced SR Storage",
    "Comprehensive SR Storage", "Basic Text SR Storage",
)  # fmt: skip
"""SOP classes asked for from a peer that does not tell which ones it keeps."""


def get(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    host: Host,
    port: Port,
    output: Output = Path(),
    level: Level = "STUDY",
    key: Keys = None,
    model: Model = "study",
    calling: Calling = CALLING,
    called: Called = CALLED,
    json: Json = False,
) -> None:
    """Fetch what a peer keeps (C-GET).

    Every object becomes SOPInstanceUID.dcm in the folder, as the peer sent it.
    """
    from archimage.cli import peer
    from archimage.net.proposals import as_receiver, for_services, propose
    from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN, PATIENT_ROOT_GET, STUDY_ROOT_GET

    node, level, keys = peer.node(called, host, port), check_level(level), key or []
    sop_class = PATIENT_ROOT_GET if check_model(model) == "patient" else STUDY_ROOT_GET
    identifier(level, keys, (), EXPLICIT_VR_LITTLE_ENDIAN)
    output.mkdir(parents=True, exist_ok=True)

    async def ask() -> "tuple[SubOperationProgress, str]":
        kept = await _kept_classes(node, calling, model, keys)
        storage = _storage_pairs(kept)
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


async def _kept_classes(node: "RemoteNode", calling: str, model: str, keys: Sequence[str]) -> list[str]:
    """Ask which SOP classes will come, for an association holds too few contexts for all; empty if it does not tell."""
    from archimage.cli import peer
    from archimage.errors import ArchimageError
    from archimage.net.proposals import for_services
    from archimage.protocol.uids import PATIENT_ROOT_FIND, STUDY_ROOT_FIND

    sop_class = PATIENT_ROOT_FIND if model.lower() == "patient" else STUDY_ROOT_FIND
    try:
        async with await peer.associate(node, calling, for_services(sop_class)) as association:
            syntax = association.context(sop_class).transfer_syntax
            query = identifier("IMAGE", keys, ("SOPClassUID",), syntax)
            found = [plain(match, syntax).get("SOPClassUID") async for match in association.find(sop_class, query)]
    except ArchimageError:
        return []
    return sorted({str(uid) for uid in found if uid})


def _storage_pairs(kept: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Pair each SOP class with the syntaxes it may come in, compressed ones in own contexts, as many as fit."""
    from archimage.net.proposals import UNCOMPRESSED
    from archimage.protocol import uids

    first = (
        uids.JPEG_BASELINE, uids.JPEG_LOSSLESS_SV1, uids.JPEG_2000_LOSSLESS, uids.JPEG_2000, uids.JPEG_EXTENDED,
        uids.RLE_LOSSLESS, uids.JPEG_LS_LOSSLESS,
    )  # fmt: skip
    others = dict.fromkeys((*first, *uids.TRANSFER_SYNTAXES))
    groups = (UNCOMPRESSED, *((syntax,) for syntax in others if syntax not in UNCOMPRESSED))
    classes = kept[:_CONTEXTS] or [uid for uid, name in uids.STORAGE_SOP_CLASSES.items() if name in _COMMON]
    each = max(1, _CONTEXTS // len(classes))
    return [(uid, syntaxes) for uid in classes for syntaxes in groups[:each]]
