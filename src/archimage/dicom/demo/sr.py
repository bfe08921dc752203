"""The measurements of the invented CT as a structured report (PS3.16 TID 1500): organs' volumes, a nodule's length."""

from math import sqrt
from typing import Final

from pydicom.dataset import Dataset

from archimage.dicom.demo import ct, seg, torso
from archimage.dicom.demo.ct import Stack
from archimage.dicom.demo.datasets import Series, code, demo_uid, encode_file, item, new_object
from archimage.dicom.demo.torso import Organ

SOP_CLASS_UID: Final = "1.2.840.10008.5.1.4.1.1.88.33"

_MM: Final = ("mm", "UCUM", "millimeter")
_ML: Final = ("ml", "UCUM", "milliliter")
_HU: Final = ("[hnsf'U]", "UCUM", "Hounsfield unit")


def sr_file(stack: Stack) -> bytes:
    """Make the report of a stack whose pictures have been made."""
    series = Series(stack.series.study, 3, "SR", SOP_CLASS_UID, "Measurements")
    ds = new_object(series, 1)
    ds.ReferencedPerformedProcedureStepSequence = []
    ds.PerformedProcedureCodeSequence = []
    ds.CompletionFlag = "COMPLETE"
    ds.VerificationFlag = "UNVERIFIED"
    ds.CurrentRequestedProcedureEvidenceSequence = [_evidence(stack)]
    ds.ValueType = "CONTAINER"
    ds.ConceptNameCodeSequence = [code("126001", "DCM", "Oncology Measurement Report")]
    ds.ContinuityOfContent = "SEPARATE"
    ds.ContentTemplateSequence = [item(MappingResource="DCMR", TemplateIdentifier="1500")]
    measurements = _container(code("126010", "DCM", "Imaging Measurements"), _groups(stack))
    ds.ContentSequence = [*_context(), measurements]
    return encode_file(ds)


def _evidence(stack: Stack) -> Dataset:
    """List what the report refers to (PS3.3 §C.17.2)."""
    parts = [(seg.series_of(stack), 1, seg.SOP_CLASS_UID)]
    if _nodule_reach(stack):
        parts.append((stack.series, _nodule_picture(stack), ct.SOP_CLASS_UID))
    series = [
        item(
            SeriesInstanceUID=part.uid,
            ReferencedSOPSequence=[
                item(ReferencedSOPClassUID=sop_class, ReferencedSOPInstanceUID=part.instance_uid(number))
            ],
        )
        for part, number, sop_class in parts
    ]
    return item(StudyInstanceUID=stack.series.study.uid("study"), ReferencedSeriesSequence=series)


def _context() -> list[Dataset]:
    """Say in which language, by whom and of which procedure (TID 1204, 1002)."""
    country = _coded(
        "HAS CONCEPT MOD", code("121046", "DCM", "Country of Language"), code("US", "ISO3166_1", "United States")
    )
    language = _coded(
        "HAS CONCEPT MOD",
        code("121049", "DCM", "Language of Content Item and Descendants"),
        code("en", "RFC5646", "English"),
    )
    language.ContentSequence = [country]
    device = _coded("HAS OBS CONTEXT", code("121005", "DCM", "Observer Type"), code("121007", "DCM", "Device"))
    uid = _uid("HAS OBS CONTEXT", code("121012", "DCM", "Device Observer UID"), demo_uid("observer"))
    procedure = _coded(
        "HAS CONCEPT MOD",
        code("121058", "DCM", "Procedure reported"),
        code("169069000", "SCT", "CT of chest"),
    )
    return [language, device, uid, procedure]


def _groups(stack: Stack) -> list[Dataset]:
    organs = [_organ(stack, order, organ) for order, organ in enumerate(seg.found(stack), 1)]
    return [_nodule(stack), *organs] if _nodule_reach(stack) else organs


def _group(name: str, content: list[Dataset]) -> Dataset:
    """Make a measurement group of one tracked thing (TID 1501, 1411)."""
    identifier = _item("HAS OBS CONTEXT", "TEXT", code("112039", "DCM", "Tracking Identifier"), TextValue=name)
    uid = _uid("HAS OBS CONTEXT", code("112040", "DCM", "Tracking Unique Identifier"), demo_uid("organ", name))
    return _container(code("125007", "DCM", "Measurement Group"), [identifier, uid, *content])


def _organ(stack: Stack, order: int, organ: Organ) -> Dataset:
    """Report the volume and the mean density of an organ (TID 1411)."""
    meaning = seg.ORGANS[organ]
    site = _coded(
        "HAS CONCEPT MOD", code("363698007", "SCT", "Finding Site"), code(meaning.value, "SCT", meaning.meaning)
    )
    site.ContentSequence = [
        _coded("HAS CONCEPT MOD", code("272741003", "SCT", "Laterality"), side) for side in seg.side_of(organ)
    ]
    if not site.ContentSequence:
        del site.ContentSequence
    segment = _item("CONTAINS", "IMAGE", code("121191", "DCM", "Referenced Segment"))
    segment.ReferencedSOPSequence = [
        item(
            ReferencedSOPClassUID=seg.SOP_CLASS_UID,
            ReferencedSOPInstanceUID=seg.series_of(stack).instance_uid(1),
            ReferencedSegmentNumber=order,
        )
    ]
    source = _uid("CONTAINS", code("121232", "DCM", "Source series for segmentation"), stack.series.uid)
    voxel_ml = ct.SPACING**2 * stack.thickness / 1000
    volume = _number(code("118565006", "SCT", "Volume"), float(stack.voxels[organ]) * voxel_ml, _ML)
    density = _number(
        code("112031", "DCM", "Attenuation Coefficient"), float(stack.density[organ] / stack.voxels[organ]), _HU
    )
    mean = _coded("HAS CONCEPT MOD", code("121401", "DCM", "Derivation"), code("373098007", "SCT", "Mean"))
    density.ContentSequence = [mean]
    return _group(seg.label_of(organ), [segment, source, site, volume, density])


def _nodule_picture(stack: Stack) -> int:
    """Return the number of the picture nearest to the middle of the nodule."""
    number = round((torso.TOP - torso.NODULE.z) / stack.thickness + 0.5)
    return min(max(number, 1), len(stack.outlines))


def _nodule_reach(stack: Stack) -> float:
    """Return half the nodule's length in the picture nearest to its middle, in mm; 0 where thick slices pass it by."""
    nodule = torso.NODULE
    away = (stack.height(_nodule_picture(stack)) - nodule.z) / nodule.rz
    return nodule.rx * sqrt(max(0.0, 1 - away**2))


def _nodule(stack: Stack) -> Dataset:
    """Report the length of the nodule, with the line that was measured (TID 1501, TID 300)."""
    nodule, middle, reach = torso.NODULE, ct.SIZE / 2, _nodule_reach(stack)
    row = nodule.y / ct.SPACING + middle
    ends = ((nodule.x - reach) / ct.SPACING + middle, (nodule.x + reach) / ct.SPACING + middle)
    line = _item("INFERRED FROM", "SCOORD", code("121055", "DCM", "Path"))
    line.GraphicType = "POLYLINE"
    line.GraphicData = [ends[0], row, ends[1], row]
    picture = item(RelationshipType="SELECTED FROM", ValueType="IMAGE")
    picture.ReferencedSOPSequence = [
        item(
            ReferencedSOPClassUID=ct.SOP_CLASS_UID,
            ReferencedSOPInstanceUID=stack.series.instance_uid(_nodule_picture(stack)),
        )
    ]
    line.ContentSequence = [picture]
    length = _number(code("410668003", "SCT", "Length"), 2 * reach, _MM)
    length.ContentSequence = [line]
    finding = _coded("CONTAINS", code("121071", "DCM", "Finding"), code("27925004", "SCT", "Nodule"))
    site = _coded("HAS CONCEPT MOD", code("363698007", "SCT", "Finding Site"), code("39607008", "SCT", "Lung"))
    return _group("Nodule 1", [finding, site, length])


def _item(relationship: str, kind: str, name: Dataset, **values: object) -> Dataset:
    return item(RelationshipType=relationship, ValueType=kind, ConceptNameCodeSequence=[name], **values)


def _coded(relationship: str, name: Dataset, value: Dataset) -> Dataset:
    return _item(relationship, "CODE", name, ConceptCodeSequence=[value])


def _uid(relationship: str, name: Dataset, value: str) -> Dataset:
    return _item(relationship, "UIDREF", name, UID=value)


def _container(name: Dataset, content: list[Dataset]) -> Dataset:
    return _item("CONTAINS", "CONTAINER", name, ContinuityOfContent="SEPARATE", ContentSequence=content)


def _number(name: Dataset, value: float, unit: tuple[str, str, str]) -> Dataset:
    measured = item(NumericValue=f"{value:.1f}", MeasurementUnitsCodeSequence=[code(*unit)])
    return _item("CONTAINS", "NUM", name, MeasuredValueSequence=[measured])
