"""Well-known UIDs against an independent dictionary."""

import re

from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID

from archimage.protocol import uids

# Registered since the dictionary was made.
NEWER_STORAGE = {
    *(f"1.2.840.10008.5.1.4.1.1.{tail}" for tail in ("2.3", "2.4", "2.5", "66.7", "66.8", "9.100.1", "9.100.2")),
    *(f"1.2.840.10008.5.1.4.1.1.601.{tail}" for tail in (3, 4, 5)),
}
NEWER_SYNTAXES = {
    "1.2.840.10008.1.2.4.110",
    "1.2.840.10008.1.2.4.111",
    "1.2.840.10008.1.2.4.112",
    "1.2.840.10008.1.2.8.1",
}
ALL_STORAGE = {**uids.STORAGE_SOP_CLASSES, **uids.NON_PATIENT_STORAGE_SOP_CLASSES}
# Not sent over a network, and no storage in spite of the word.
NOT_SENT = {"1.2.840.10008.1.3.10"}
COMMITMENT = re.compile("Storage Commitment")


def _registered(kind: str) -> dict[str, str]:
    return {uid: entry[0] for uid, entry in UID_dictionary.items() if entry[1] == kind}


def test_every_storage_sop_class_is_known() -> None:
    storage = {
        uid
        for uid, name in _registered("SOP Class").items()
        if "Storage" in name and uid not in NOT_SENT and not COMMITMENT.search(name)
    }

    assert storage <= set(ALL_STORAGE)
    assert set(ALL_STORAGE) - storage <= NEWER_STORAGE


def test_every_transfer_syntax_is_known() -> None:
    syntaxes = set(_registered("Transfer Syntax"))

    assert syntaxes <= set(uids.TRANSFER_SYNTAXES)
    assert set(uids.TRANSFER_SYNTAXES) - syntaxes <= NEWER_SYNTAXES


def test_names_are_those_of_the_dictionary() -> None:
    for uid, name in ALL_STORAGE.items():
        if uid in UID_dictionary:
            registered = UID_dictionary[uid][0]
            assert name.removesuffix(" (Retired)") == registered.removesuffix(" (Retired)")
            assert name.endswith("(Retired)") == bool(UID_dictionary[uid][3])


def test_the_tables_do_not_overlap() -> None:
    assert not set(uids.STORAGE_SOP_CLASSES) & set(uids.NON_PATIENT_STORAGE_SOP_CLASSES)


def test_every_constant_is_registered() -> None:
    constants = {
        name: value
        for name, value in vars(uids).items()
        if name.isupper() and isinstance(value, str) and not name.startswith("IMPLEMENTATION")
    }

    assert len(constants) > 40
    assert {name for name, value in constants.items() if value not in UID_dictionary} == set()
    assert len(set(constants.values())) == len(constants)


def test_what_we_call_ourselves_may_be_sent() -> None:
    assert UID(uids.IMPLEMENTATION_CLASS_UID).is_valid
    assert len(uids.IMPLEMENTATION_VERSION_NAME) <= 16
