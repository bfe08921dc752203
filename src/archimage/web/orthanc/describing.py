"""Patients, studies, series and instances as Orthanc describes them.

The attributes are those of the first instance that came, read from its header: Orthanc keeps more of them than the
index does, and those without a value too.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from uuid import UUID

from archimage.dicom.dictionary import keyword_of_tag, tag_of_keyword
from archimage.dicom.scan import scan
from archimage.errors import NotFoundError
from archimage.model.attributes import Level
from archimage.model.hashed import Named
from archimage.web.orthanc.calls import OrthancServices

TYPES: Final = {
    Level.PATIENT: "Patient",
    Level.STUDY: "Study",
    Level.SERIES: "Series",
    Level.IMAGE: "Instance",
}
PATHS: Final = {
    Level.PATIENT: "patients",
    Level.STUDY: "studies",
    Level.SERIES: "series",
    Level.IMAGE: "instances",
}
LEVELS: Final = tuple(Level)
LONGEST_TEXT: Final = 256
"""Characters of a value that is told; longer ones are had from `/content`."""
_STABLE_AFTER_S: Final = 60.0


def _tags(keywords: str) -> frozenset[int]:
    return frozenset(tag for keyword in keywords.split() if (tag := tag_of_keyword(keyword)) is not None)


MAIN_TAGS: Final[Mapping[Level, frozenset[int]]] = {
    Level.PATIENT: _tags("PatientName PatientBirthDate PatientSex OtherPatientIDs PatientID"),
    Level.STUDY: _tags(
        "StudyDate StudyTime StudyID StudyDescription AccessionNumber StudyInstanceUID RequestedProcedureDescription "
        "InstitutionName RequestingPhysician ReferringPhysicianName"
    ),
    Level.SERIES: _tags(
        "SeriesDate SeriesTime Modality Manufacturer StationName SeriesDescription BodyPartExamined SequenceName "
        "ProtocolName SeriesNumber CardiacNumberOfImages ImagesInAcquisition NumberOfTemporalPositions NumberOfSlices "
        "NumberOfTimeSlices SeriesInstanceUID ImageOrientationPatient SeriesType OperatorsName "
        "PerformedProcedureStepDescription AcquisitionDeviceProcessingDescription ContrastBolusAgent"
    ),
    Level.IMAGE: _tags(
        "InstanceCreationDate InstanceCreationTime AcquisitionNumber ImageIndex InstanceNumber NumberOfFrames "
        "TemporalPositionIdentifier SOPInstanceUID ImagePositionPatient ImageComments ImageOrientationPatient"
    ),
}
_ALL_TAGS: Final = frozenset().union(*MAIN_TAGS.values())


def describe(services: OrthancServices, named: Named) -> dict[str, object]:
    """Describe something; blocks.

    Raises:
        NotFoundError: it has been removed meanwhile.
    """
    first, received = services.orthanc.extent(named)
    instance = services.web.frames.instance(None, None, first)
    header = scan(services.web.frames.header(instance), instance.transfer_syntax_uid, _ALL_TAGS)
    found = dict(header.text_items())
    level = named.level
    told: dict[str, object] = {
        "ID": named.hashed_id,
        "Labels": [],
        "MainDicomTags": _told(found, level),
        "Type": TYPES[level],
    }
    if level is not Level.PATIENT:
        above = LEVELS[level.depth - 1]
        told[f"Parent{TYPES[above]}"] = named.above(above).hashed_id
    if level is Level.IMAGE:
        number = found.get(_INSTANCE_NUMBER, "").strip()
        index = int(number) if number.isascii() and number.isdigit() and len(number) < 10 else None
        return told | {
            "FileSize": instance.size_bytes,
            "FileUuid": str(UUID(bytes=instance.digest)),
            "IndexInSeries": index,
        }
    below = LEVELS[level.depth + 1]
    told[PATHS[below].capitalize()] = [one.hashed_id for one in services.orthanc.below(named, below)]
    told |= {"IsStable": time.time() - received >= _STABLE_AFTER_S, "LastUpdate": moment(received)}
    if level is Level.STUDY:
        told["PatientMainDicomTags"] = _told(found, Level.PATIENT)
        told["Labels"] = list(services.management.labels.of(named.names[-1]))
    if level is Level.SERIES:
        told |= {"ExpectedNumberOfInstances": None, "Status": "Unknown"}
    return told


def described(services: OrthancServices, found: Iterable[Named]) -> Iterator[dict[str, object]]:
    """Describe one after the other; what is removed meanwhile is left out."""
    for named in found:
        try:
            yield describe(services, named)
        except NotFoundError:
            continue


def moment(seconds: float) -> str:
    """Write a moment, seconds since 1970, as Orthanc does, in UTC."""
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds))


def path_of(named: Named) -> str:
    """Return the path of something."""
    return f"/{PATHS[named.level]}/{named.hashed_id}"


_INSTANCE_NUMBER: Final = 0x00200013


def _told(found: Mapping[int, str], level: Level) -> dict[str, str]:
    texts = {keyword_of_tag(tag): found[tag] for tag in MAIN_TAGS[level] if tag in found}
    return {keyword: text for keyword, text in texts.items() if len(text) <= LONGEST_TEXT}
