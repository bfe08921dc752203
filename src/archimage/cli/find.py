"""`archimage find`: ask a peer what it keeps (C-FIND)."""

from collections.abc import Iterator, Sequence
from typing import Any

from archimage.cli.keys import check_level, check_model, identifier, plain, shown_at
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
from archimage.cli.output import print_json, print_table, say


def find(  # noqa: PLR0913, PLR0917 - one parameter per option of the command
    host: Host,
    port: Port,
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
    """Ask a peer what it keeps (C-FIND)."""
    from archimage.cli import peer
    from archimage.net.proposals import for_services
    from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN, RELEVANT_PATIENT_GENERAL_FIND

    node = peer.node(called, host, port, tls=tls, login=Login(user, passcode_file, jwt_file))
    sop_class, level, shown = _asked(model, level)
    keys = [*(_TEMPLATE if model.lower() == _RELEVANT else ()), *(key or ())]
    identifier(level, keys, shown, EXPLICIT_VR_LITTLE_ENDIAN)  # tells a wrong key before anybody is called

    async def ask() -> list[dict[str, object]]:
        async with await peer.associate(node, calling, for_services(sop_class)) as association:
            syntax = association.context(sop_class).transfer_syntax
            query = identifier(level, keys, shown, syntax)
            return [plain(match, syntax) async for match in association.find(sop_class, query)]

    matches = peer.run(ask())
    if json:
        print_json(matches)
        return
    say(f"{len(matches)} matches{f' at level {level}' if level else ''} in {node}")
    if sop_class == RELEVANT_PATIENT_GENERAL_FIND:
        matches = [{name: match.get(name, "") for name in shown} | dict(_items(match)) for match in matches]
    if matches:
        names = dict.fromkeys((*shown, *(name for match in matches for name in match)))
        columns = [name for name in names if name not in _HIDDEN]
        print_table(columns, matches)


def _asked(model: str, level: str) -> tuple[str, str, Sequence[str]]:
    """Return the SOP class to ask, the level, empty where a model has none, and what is shown."""
    from archimage.protocol.roots import OBJECT_ROOTS
    from archimage.protocol.uids import PATIENT_ROOT_FIND, RELEVANT_PATIENT_GENERAL_FIND, STUDY_ROOT_FIND

    root = next((root for root in OBJECT_ROOTS if root.name == model.lower()), None)
    if root is not None:
        return root.find, "", ("SOPClassUID", "SOPInstanceUID")
    if model.lower() == _RELEVANT:
        return RELEVANT_PATIENT_GENERAL_FIND, "", _SHOWN
    level = check_level(level)
    return PATIENT_ROOT_FIND if check_model(model) == "patient" else STUDY_ROOT_FIND, level, shown_at(level)


def _items(document: Any) -> Iterator[tuple[str, object]]:
    """Yield what a structured document tells, by what it is: numbers with their units, codes and text."""
    for item in document.get("ContentSequence", ()):
        concept: dict[str, str] = next(iter(item.get("ConceptNameCodeSequence", ())), {})
        for measured in item.get("MeasuredValueSequence", ()):
            unit: dict[str, str] = next(iter(measured.get("MeasurementUnitsCodeSequence", ())), {})
            yield concept.get("CodeMeaning", ""), f"{measured.get('NumericValue', '')} {unit.get('CodeValue', '')}"
        for code in item.get("ConceptCodeSequence", ()):
            yield concept.get("CodeMeaning", ""), code.get("CodeMeaning", "")
        if "TextValue" in item:
            yield concept.get("CodeMeaning", ""), item["TextValue"]
        yield from _items(item)


_HIDDEN = frozenset({"QueryRetrieveLevel", "SpecificCharacterSet", "RetrieveAETitle", "InstanceAvailability"})
_RELEVANT = "relevant-patient"
_TEMPLATE = (
    "ContentTemplateSequence[0].MappingResource=DCMR",
    "ContentTemplateSequence[0].TemplateIdentifier=9007",
)
_SHOWN = ("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex")
