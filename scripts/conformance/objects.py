"""What travels: SOP classes, transfer syntaxes, attributes that can be searched for, character sets."""

from collections.abc import Iterator

from archimage.dicom.layout import layout_of
from archimage.dicom.pixels import DECODABLE, LOSSY, NATIVE, VIDEO, Quality
from archimage.dicom.text import CHARACTER_SETS
from archimage.errors import InvalidQueryError, UnsupportedTransferSyntaxError
from archimage.model.attributes import ATTRIBUTES, Attribute, Level
from archimage.model.query import Range, UIDList, Wildcard
from archimage.protocol.uids import (
    NON_PATIENT_STORAGE_SOP_CLASSES,
    STORAGE_SOP_CLASSES,
    TRANSFER_SYNTAXES,
)
from archimage.services.matching import parse_match
from archimage.services.objects import MAX_OBJECT_BYTES
from archimage.services.query import is_matched
from archimage.services.transcoding import has_way
from scripts.conformance.markdown import bullets, code, paragraph, table, yes

_SAMPLES = (
    (Wildcard, "wildcard", ("A*",)),
    (Range, "range", ("20240101-20240102", "1000-1100", "20240101100000-20240102100000")),
    (UIDList, "list", ("A\\B", "1.2\\1.3", "012Y\\013Y")),
)
"""A kind of match, its name, and values of which some VR makes one."""


def transfer_syntaxes() -> Iterator[str]:
    """Yield what is done with each transfer syntax."""
    yield "## 6 Transfer syntaxes and compression"
    yield paragraph(
        """Objects are kept and given back in the transfer syntax in which they came, byte for byte; that of a private
        transfer syntax is refused. *Decoded* says that frames can be rendered and written in another syntax, *encoded*
        that this syntax can be the other one. Video is handed through, and never decoded."""
    )
    yield table(
        ("UID", "name", "pixels", "kept as it is", "decoded, rendered", "encoded"),
        (
            (code(uid), name, _pixels(uid), yes(_kept(uid)), yes(uid in DECODABLE), _made(uid))
            for uid, name in TRANSFER_SYNTAXES.items()
        ),
    )

    yield "When pixels are given in another transfer syntax than they are stored in:"
    yield bullets(
        (
            f"""Frames are decoded and encoded one by one. Where the new syntax has a lossless way that is taken,
            unless a web client names a quality (`quality`, in WADO-URI `imageQuality`); with JPEG Baseline and Extended
            a loss cannot be avoided (quality {Quality().jpeg_quality} of 100 where none is named).""",
            """Without loss, Transfer Syntax UID, Photometric Interpretation and Planar Configuration change, if
            they have to, and nothing else.""",
            """With loss the object is another one: it has a new SOP Instance UID, the same each time, and says so
            by Lossy Image Compression, its Ratio and Method, Derivation Description and Code, Source Image Sequence
            and Image Type DERIVED.""",
        )
    )


def _kept(uid: str) -> bool:
    try:
        layout_of(uid)
    except UnsupportedTransferSyntaxError:
        return False
    return True


def _made(uid: str) -> str:
    """Tell what images of other transfer syntaxes can be had in this one."""
    sources = [TRANSFER_SYNTAXES[source] for source in TRANSFER_SYNTAXES if source != uid and has_way(source, uid)]
    return yes(bool(sources)) if len(sources) != 1 else f"of {sources[0]}"


def _pixels(uid: str) -> str:
    if uid in NATIVE:
        return "native"
    if uid in VIDEO:
        return "video"
    if uid in LOSSY:
        return "may be lossy"
    return "lossless" if uid in DECODABLE else ""


def storage_classes() -> Iterator[str]:
    """Yield the SOP classes of storage."""
    yield "## Annex A Storage SOP classes"
    yield paragraph(
        f"""{len(STORAGE_SOP_CLASSES)} SOP classes of the Storage Service Class, retired ones included. Objects of any
        other SOP class are taken when `dicom.accept_unknown_sop_classes` is set, and always by DICOMweb and `archimage
        import`, as long as they belong to a study and a series. Those of the {len(NON_PATIENT_STORAGE_SOP_CLASSES)} SOP
        classes of Non-Patient Object Storage, the last of the table, belong to none; they are kept as they come, up to
        {MAX_OBJECT_BYTES >> 20} MiB each, and found and retrieved by the information models of their own, by every
        attribute."""
    )
    kinds = {**STORAGE_SOP_CLASSES, **NON_PATIENT_STORAGE_SOP_CLASSES}
    yield table(("UID", "name"), ((code(uid), name) for uid, name in kinds.items()))


def attributes() -> Iterator[str]:
    """Yield the attributes that can be searched for, level by level."""
    yield "## Annex B Attributes of queries"
    yield paragraph(
        """These attributes are kept in the index: they are returned by C-FIND and by the searches of DICOMweb, and
        matched as said. Every one may be empty (universal matching) or hold one value. Person names are compared
        without regard to case and accents, in every script. An attribute of a sequence is asked for inside
        it."""
    )
    for level in Level:
        yield f"### {level.value} level"
        yield table(
            ("tag", "keyword", "VR", "matched by"),
            (_attribute(found) for found in ATTRIBUTES if found.level is level),
        )


def _attribute(found: Attribute) -> tuple[str, ...]:
    path = (found.tag,) if found.sequence_tag is None else (found.sequence_tag, found.tag)
    place = ".".join(f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in path)
    kinds = ", ".join(("value", *_kinds(found.vr))) if is_matched(path) else "not matched, returned only"
    return place, found.keyword, found.vr, kinds


def _kinds(vr: str) -> Iterator[str]:
    """Yield the kinds of matching that a VR has beyond a single value."""
    for kind, name, samples in _SAMPLES:
        if any(_is(kind, sample, vr) for sample in samples):
            yield name


def _is(kind: type, sample: str, vr: str) -> bool:
    try:
        return isinstance(parse_match(sample, vr), kind)
    except InvalidQueryError:
        return False


def character_sets() -> Iterator[str]:
    """Yield the character sets."""
    yield "## 8 Character sets"
    yield paragraph(
        """Objects are kept and sent with the characters that they have. For the index, for rendering and for DICOM JSON
        and XML the following values of Specific Character Set (0008,0005) are understood, with code extensions where
        the term begins with `ISO 2022`:"""
    )
    yield ", ".join(map(code, CHARACTER_SETS)) + "."
    yield bullets(
        (
            "Without a character set, text is ASCII (ISO_IR 6); bytes above 7FH are then read as Latin-1.",
            "An unknown character set is read as UTF-8, or as Latin-1 where it is none.",
            "Responses to C-FIND are ASCII, or UTF-8 (`ISO_IR 192`) where a value needs it; DICOMweb is UTF-8.",
        )
    )
