"""What is to become of content items by their concept names: Table E.3.4-1 of PS3.15, edition 2026d, as data.

A block is `action [dates] [option=action]...: value type, coding scheme` and the codes below it, as in `table`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from archimage.dicom.deidentify.table import Rule, blocks

_ITEMS: Final = """
D: PNAME DCM
    113850 113870 121008 121029 121114
D: PNAME NCDR_[2.0b]
    76
D: TEXT DCM
    111705 112347 112351 112352 112363 121154
D: TEXT LN
    11951-1
D dates: DATE DCM
    127857
D dates: DATETIME DCM
    111469 113723 113809 113810 122712
D dates: DATETIME NCDR_[2.0b]
    52
D dates: DATETIME SCT
    397898000 398201009
D dates: TIME DCM
    127858
D descriptors=C: TEXT DCM
    111033 111058 113724 113815 128403
D descriptors=C: TEXT LN
    18785-6
D descriptors=C: TEXT SCT
    363698007 440252007
D device=K: TEXT DCM
    113832 121193
D institution=K: TEXT DCM
    130527
D uids=K: COMPOSITE DCM
    111040 112371 121002 128414 128416 128436 128444
D uids=K: IMAGE DCM
    112229 113795 121112 121138 121214 121233 128414
D uids=K: UIDREF DCM
    110180 112002 112040 112356 112357 113503 113769 113985 121126 121232 128429
D uids=K: WAVEFORM DCM
    121143
X: DATE DCM
    121031
X: NUM NCIt
    C54627
X: PNAME DCM
    121036 121088 121152 121435
X: TEXT DCM
    110190 111700 111706 111724 113511 113512 113513 113514 113516 113605 113871 113872 121020 121021 121022
    121041 121121 121435 125010 128774 128775
X: TEXT NCDR_[2.0b]
    53
X dates: DATE DCM
    126201 131561
X dates: DATE LN
    11778-8 11955-2
X dates: DATETIME DCM
    111527 111535 111536 111702 121125 121431 121432 121433 122081 122082 122105 122163 122165 122173 122701
    123004 130884
X dates: DATETIME NCDR_[2.0b]
    15
X dates: DATETIME SCT
    398164008 398325003
X dates: TIME DCM
    126202 131562
X descriptors=C: TEXT DCM
    109054 109056 111021 111516 111703 112050 113012 113552 113720 113907 121075 121077 121106 121110 121111
    121145 121173 122177 125203 126070 126071 128230 128426 130507 131563
X descriptors=C: TEXT LN
    11329-0 18118-0
X descriptors=C: TEXT NCIt
    C67447
X descriptors=C: TEXT SCT
    116224001 160476009 371524004
X device=K: CONTAINER DCM
    121000
X device=K: TEXT DCM
    110119 113877 120999 121013 121016 121196
X device=K: TEXT LN
    74711-3
X device=K descriptors=C: TEXT DCM
    121122
X institution=K: TEXT DCM
    113873 121009 121017 121197 121434 122128
X patient=K: CODE DCM
    121032
X patient=K: NUM DCM
    121033
X uids=K: COMPOSITE DCM
    112353 112359 112361 112364 112366 112372 112373 113701 121120 122073 122075 126100 128425 128447 128470
X uids=K: COMPOSITE SCT
    371524004
X uids=K: IMAGE DCM
    112354 121080 121200 121342 125201 128425 128470
X uids=K: UIDREF DCM
    121018 121019 121028 121039 128425 128470 130885
X uids=K: WAVEFORM DCM
    121080 121112
X uids=K device=K: UIDREF DCM
    121198
X/D: TEXT DCM
    121030 121124
X/D dates: DATE DCM
    111018 111054 111060
X/D dates: DATETIME DCM
    111526 122146 123003
X/D dates: TIME DCM
    111019 111061
X/D descriptors=C: TEXT DCM
    121065 121071 122083
X/D descriptors=C: TEXT SCT
    271921002
X/D descriptors=C: TEXT UMLS
    C2348792
X/D device=K: TEXT DCM
    113880
X/D uids=K: IMAGE DCM
    121191
X/D uids=K: UIDREF DCM
    112227
X/D uids=K device=K: UIDREF DCM
    121012
"""


def _items() -> dict[tuple[str, str, str], Rule]:
    found: dict[tuple[str, str, str], Rule] = {}
    for rule, rest, codes in blocks(_ITEMS):
        value_type, scheme = rest.split()
        found |= {(value_type, scheme.replace("_", " "), code): rule for code in codes}
    return found


CONTENT_RULES: Final[Mapping[tuple[str, str, str], Rule]] = MappingProxyType(_items())
"""Rows by value type, coding scheme designator and code value."""

_STRICTEST: Final = ("X", "X/D", "D")


def content_rule_of(value_type: str, scheme: str, code: str) -> Rule | None:
    """Return the row of a content item; for a value type that its concept has no row of, the most protective one."""
    rule = CONTENT_RULES.get((value_type, scheme, code))
    if rule is not None:
        return rule
    others = [
        other for (_, its_scheme, its_code), other in CONTENT_RULES.items() if (its_scheme, its_code) == (scheme, code)
    ]
    return min(others, key=lambda other: _STRICTEST.index(other.basic), default=None)
