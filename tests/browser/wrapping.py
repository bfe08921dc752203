"""Objects that wrap what the browser itself makes: a video that it records, a document that it prints."""

from base64 import b64decode
from io import BytesIO
from typing import Final

from playwright.sync_api import Browser
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

_H264_HIGH_41: Final = "1.2.840.10008.1.2.4.102"
_VIDEO_PHOTOGRAPHIC_IMAGE: Final = "1.2.840.10008.5.1.4.1.1.77.1.4.1"
_ENCAPSULATED_PDF: Final = "1.2.840.10008.5.1.4.1.1.104.1"
_FRAMES, _FRAME_TIME_MS, _COLUMNS, _ROWS = 40, 40, 320, 240
_RECORD: Final = """async ({frames, frameTime, columns, rows}) => {
  const canvas = Object.assign(document.createElement("canvas"), {width: columns, height: rows});
  const draw = canvas.getContext("2d"), parts = [];
  const stream = canvas.captureStream(1000 / frameTime);
  const recorder = new MediaRecorder(stream, {mimeType: "video/mp4;codecs=avc1.42E01E"});
  recorder.ondataavailable = ({data}) => parts.push(data);
  const ended = new Promise(resolve => recorder.onstop = resolve);
  recorder.start();
  for (let frame = 0; frame < frames; frame++) {
    draw.fillStyle = `hsl(${frame * 360 / frames}, 80%, 50%)`;
    draw.fillRect(0, 0, columns, rows);
    await new Promise(resolve => setTimeout(resolve, frameTime));
  }
  recorder.stop();
  await ended;
  const reader = new FileReader();
  const read = new Promise(resolve => reader.onload = resolve);
  reader.readAsDataURL(new Blob(parts));
  await read;
  return reader.result.split(",")[1];
}"""
"""Records as a MP4 in Base64 a picture that goes through all colours, from red."""


def video_file(browser: Browser) -> bytes:
    """Return a Part 10 file that wraps a video of a second and a half, H.264 in MP4 (PS3.5 §8.2.7)."""
    page = browser.new_page()
    size = {"frames": _FRAMES, "frameTime": _FRAME_TIME_MS, "columns": _COLUMNS, "rows": _ROWS}
    video = b64decode(page.evaluate(_RECORD, size))
    page.close()
    ds = _described("DEMO-VIDEO", _VIDEO_PHOTOGRAPHIC_IMAGE, "XC")
    ds.Rows, ds.Columns, ds.NumberOfFrames = _ROWS, _COLUMNS, _FRAMES
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "YBR_PARTIAL_420", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.FrameTime, ds.FrameIncrementPointer, ds.LossyImageCompression = _FRAME_TIME_MS, 0x00181063, "01"
    ds.PixelData = encapsulate([video + bytes(len(video) % 2)])
    ds["PixelData"].VR = "OB"
    return _written(ds, _H264_HIGH_41)


def pdf_file(browser: Browser) -> bytes:
    """Return a Part 10 file that wraps a PDF: one page, blue from edge to edge."""
    page = browser.new_page()
    page.set_content('<body style="margin:0"><div style="height:100vh;background:#0000ff">Demo</div>')
    document = page.pdf(print_background=True)
    page.close()
    ds = _described("DEMO-PDF", _ENCAPSULATED_PDF, "DOC")
    ds.MIMETypeOfEncapsulatedDocument = "application/pdf"
    ds.DocumentTitle, ds.BurnedInAnnotation, ds.ConversionType = "Demo", "NO", "WSD"
    ds.ConceptNameCodeSequence = []
    ds.EncapsulatedDocument = document + bytes(len(document) % 2)
    return _written(ds, ExplicitVRLittleEndian)


def _described(patient_id: str, sop_class_uid: str, modality: str) -> Dataset:
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = sop_class_uid, generate_uid(), modality
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Demo^Wrapped", patient_id, "", ""
    ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20240506", "101500", "1", ""
    ds.ReferringPhysicianName, ds.SeriesNumber, ds.InstanceNumber = "", 1, 1
    return ds


def _written(ds: Dataset, transfer_syntax_uid: str) -> bytes:
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    file = BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()
