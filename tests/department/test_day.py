"""A day in the department, each step checked, the archive killed with -9 between any two of them."""

from contextlib import closing
from pathlib import Path

from pydicom.uid import generate_uid

from archimage.protocol.uids import STORAGE_COMMITMENT_PUSH
from tests.department import day
from tests.interop.committing import Asker, ask, asking


def test_a_day(tmp_path: Path) -> None:
    asker = Asker(day.MODALITY)
    with asker.listening(), closing(day.Archive(tmp_path, {day.MODALITY: asker.port})) as archive:
        assert archive.send(day.ORDER) == "AA"
        archive.kill()
        assert archive.send(day.ORDER) == "AA"  # the hospital system did not hear the first answer

        (entry,) = archive.scheduled()
        assert (entry.AccessionNumber, str(entry.PatientName)) == (day.ACCESSION, "Demo^Day")
        step = generate_uid()
        assert day.performed(archive, day.begun(entry), step, begins=True) == 0
        archive.kill()
        assert [one["state"] for one in archive.get("/api/v1/worklist")["items"]] == ["started"]

        made = day.images(entry, 8)
        with archive.associated(day.CT) as association:
            assert [association.send_c_store(image).Status for image in made] == [0] * 8
        archive.kill()
        assert day.performed(archive, day.completed(made), step, begins=False) == 0
        archive.kill()
        assert list(archive.scheduled()) == []
        (shown,) = archive.get("/api/v1/performed-steps")
        assert shown["state"] == "COMPLETED"

        asked = asking(*((day.CT, image.SOPInstanceUID) for image in made))
        with archive.associated(STORAGE_COMMITMENT_PUSH) as association:
            assert ask(association, asked) == 0
            archive.kill()
        event, result = asker.told()
        assert (event, result.TransactionUID) == (1, asked.TransactionUID)
        assert len(result.ReferencedSOPSequence) == 8

        archive.kill()
        found = archive.get(f"/fhir/ImagingStudy?identifier={day.ACCESSION}")
        (study,) = [one["resource"] for one in found["entry"] if one["resource"]["resourceType"] == "ImagingStudy"]
        assert (study["numberOfInstances"], study["id"]) == (8, str(entry.StudyInstanceUID))

        assert archive.send(day.REPORT) == "AA"
        archive.kill()
        reports = archive.get(f"/fhir/DiagnosticReport?imaging-study={study['id']}")
        (report,) = [one["resource"] for one in reports["entry"]]
        assert "Nothing was found" in str(report)
        assert study["id"] in str(report["imagingStudy"])
