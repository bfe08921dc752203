"""The attributes that the archive keeps in its index: one table for ingest, schema, matching and responses.

Ref: PS3.4 §C.6 (Query/Retrieve information models), PS3.18 §10.6 (QIDO-RS required attributes).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Level(StrEnum):
    """Query/Retrieve level; the value is that of (0008,0052)."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"

    @property
    def depth(self) -> int:
        """0 for PATIENT to 3 for IMAGE."""
        return _DEPTH[self]


_DEPTH: Final = {level: depth for depth, level in enumerate(Level)}


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """One indexed attribute. There is one of each, equal to itself alone: queries are hashed all the time by theirs.

    column is its name in records and in the index; tag is `(group << 16) | element`.
    sequence_tag is that of the sequence whose items hold it, or None at the top level.
    computed attributes are derived by the index and never stand in a record.
    """

    column: str
    keyword: str
    tag: int
    vr: str
    level: Level
    sequence_tag: int | None = None
    multiple: bool = False
    computed: bool = False


def _level(level: Level, rows: str) -> tuple[Attribute, ...]:
    """Read `column keyword tag VR [flags]` lines; flags: `m` several values, `c` computed, `>tag` in that sequence."""
    found = []
    for row in rows.strip().splitlines():
        column, keyword, tag, vr, *flags = row.split()
        parent = next((int(flag[1:], 16) for flag in flags if flag.startswith(">")), None)
        found.append(Attribute(column, keyword, int(tag, 16), vr, level, parent, "m" in flags, "c" in flags))
    return tuple(found)


ATTRIBUTES: Final[tuple[Attribute, ...]] = (
    *_level(
        Level.PATIENT,
        """
        patient_id PatientID 00100020 LO
        issuer_of_patient_id IssuerOfPatientID 00100021 LO
        patient_name PatientName 00100010 PN
        patient_birth_date PatientBirthDate 00100030 DA
        patient_birth_time PatientBirthTime 00100032 TM
        patient_sex PatientSex 00100040 CS
        other_patient_ids OtherPatientIDs 00101000 LO m
        ethnic_group EthnicGroup 00102160 SH
        patient_comments PatientComments 00104000 LT
        number_of_patient_related_studies NumberOfPatientRelatedStudies 00201200 IS c
        number_of_patient_related_series NumberOfPatientRelatedSeries 00201202 IS c
        number_of_patient_related_instances NumberOfPatientRelatedInstances 00201204 IS c
        """,
    ),
    *_level(
        Level.STUDY,
        """
        study_instance_uid StudyInstanceUID 0020000D UI
        study_date StudyDate 00080020 DA
        study_time StudyTime 00080030 TM
        accession_number AccessionNumber 00080050 SH
        study_id StudyID 00200010 SH
        study_description StudyDescription 00081030 LO
        referring_physician_name ReferringPhysicianName 00080090 PN
        name_of_physicians_reading_study NameOfPhysiciansReadingStudy 00081060 PN m
        admitting_diagnoses_description AdmittingDiagnosesDescription 00081080 LO m
        timezone_offset_from_utc TimezoneOffsetFromUTC 00080201 SH
        patient_age PatientAge 00101010 AS
        patient_size PatientSize 00101020 DS
        patient_weight PatientWeight 00101030 DS
        occupation Occupation 00102180 SH
        modalities_in_study ModalitiesInStudy 00080061 CS m c
        sop_classes_in_study SOPClassesInStudy 00080062 UI m c
        number_of_study_related_series NumberOfStudyRelatedSeries 00201206 IS c
        number_of_study_related_instances NumberOfStudyRelatedInstances 00201208 IS c
        """,
    ),
    *_level(
        Level.SERIES,
        """
        series_instance_uid SeriesInstanceUID 0020000E UI
        modality Modality 00080060 CS
        series_number SeriesNumber 00200011 IS
        series_description SeriesDescription 0008103E LO
        series_date SeriesDate 00080021 DA
        series_time SeriesTime 00080031 TM
        body_part_examined BodyPartExamined 00180015 CS
        laterality Laterality 00200060 CS
        protocol_name ProtocolName 00181030 LO
        patient_position PatientPosition 00185100 CS
        frame_of_reference_uid FrameOfReferenceUID 00200052 UI
        performing_physician_name PerformingPhysicianName 00081050 PN m
        operators_name OperatorsName 00081070 PN m
        institution_name InstitutionName 00080080 LO
        institutional_department_name InstitutionalDepartmentName 00081040 LO
        station_name StationName 00081010 SH
        manufacturer Manufacturer 00080070 LO
        manufacturer_model_name ManufacturerModelName 00081090 LO
        performed_procedure_step_start_date PerformedProcedureStepStartDate 00400244 DA
        performed_procedure_step_start_time PerformedProcedureStepStartTime 00400245 TM
        performed_procedure_step_id PerformedProcedureStepID 00400253 SH
        performed_procedure_step_description PerformedProcedureStepDescription 00400254 LO
        request_scheduled_procedure_step_id ScheduledProcedureStepID 00400009 SH m >00400275
        request_requested_procedure_id RequestedProcedureID 00401001 SH m >00400275
        request_accession_number AccessionNumber 00080050 SH m >00400275
        number_of_series_related_instances NumberOfSeriesRelatedInstances 00201209 IS c
        """,
    ),
    *_level(
        Level.IMAGE,
        """
        sop_instance_uid SOPInstanceUID 00080018 UI
        sop_class_uid SOPClassUID 00080016 UI
        available_transfer_syntax_uid AvailableTransferSyntaxUID 00083002 UI c
        instance_number InstanceNumber 00200013 IS
        image_type ImageType 00080008 CS m
        content_date ContentDate 00080023 DA
        content_time ContentTime 00080033 TM
        acquisition_date AcquisitionDate 00080022 DA
        acquisition_time AcquisitionTime 00080032 TM
        acquisition_date_time AcquisitionDateTime 0008002A DT
        acquisition_number AcquisitionNumber 00200012 IS
        number_of_frames NumberOfFrames 00280008 IS
        rows Rows 00280010 US
        columns Columns 00280011 US
        bits_allocated BitsAllocated 00280100 US
        photometric_interpretation PhotometricInterpretation 00280004 CS
        lossy_image_compression LossyImageCompression 00282110 CS
        content_label ContentLabel 00700080 CS
        content_description ContentDescription 00700081 LO
        presentation_creation_date PresentationCreationDate 00700082 DA
        presentation_creation_time PresentationCreationTime 00700083 TM
        completion_flag CompletionFlag 0040A491 CS
        verification_flag VerificationFlag 0040A493 CS
        document_title DocumentTitle 00420010 ST
        concept_name_code_value CodeValue 00080100 SH m >0040A043
        concept_name_coding_scheme_designator CodingSchemeDesignator 00080102 SH m >0040A043
        concept_name_code_meaning CodeMeaning 00080104 LO m >0040A043
        """,
    ),
)

BY_COLUMN: Final = {attribute.column: attribute for attribute in ATTRIBUTES}
BY_TAG: Final = {(attribute.sequence_tag, attribute.tag): attribute for attribute in ATTRIBUTES}
UNIQUE_KEYS: Final = {
    Level.PATIENT: BY_COLUMN["patient_id"],
    Level.STUDY: BY_COLUMN["study_instance_uid"],
    Level.SERIES: BY_COLUMN["series_instance_uid"],
    Level.IMAGE: BY_COLUMN["sop_instance_uid"],
}
