"""Studies that leave a running archive without those whom they are about: as copies, as archives, and to nodes."""

import json
import socket
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import UID

from archimage.dicom.demo import demo_files
from archimage.net.blocking import Client
from archimage.net.conversation import RemoteNode
from archimage.net.proposals import as_receiver, for_services, propose
from archimage.protocol.uids import EXPLICIT_VR_LITTLE_ENDIAN, STUDY_ROOT_GET, STUDY_ROOT_MOVE
from tests.attacks.server import Server, running, wait_until
from tests.audit.schema import problems
from tests.browser.conftest import upload
from tests.cli.planting import BLANKING, KINDS, Planter, burned, is_blanked, survivors
from tests.dicom.deidentify.heads import MR, Scan
from tests.dicom.files import real_file
from tests.interop.managing import Api
from tests.interop.peers import Memory, Served, free_port, identifier, serve_both, storescp

JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
FACES = "clean-recognizable-visual-features"
BURNED = "QXNAME ZKGIVEN 4711"


@dataclass(frozen=True)
class Archive:
    """Our server, and a study of it: two slices of a CT, of which one has a name burned into its pixels."""

    served: Served
    api: Api
    study: str
    clean: str
    marked: str

    def zipped(self, query: str, study: str = "") -> tuple[int, bytes]:
        """Ask for a study as an archive."""
        return self.get(f"/api/v1/studies/{study or self.study}/deidentified/archive?{query}")

    def get(self, path: str) -> tuple[int, bytes]:
        """Ask for what stands at an address."""
        connection = HTTPConnection(urlsplit(self.served.dicomweb_url).netloc, timeout=120)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def radiographs() -> list[Dataset]:
    """The radiographs of the demo, both of one study."""
    found = [pydicom.dcmread(BytesIO(data)) for data in demo_files(slices=2)]
    return [dataset for dataset in found if dataset.Modality == "CR"]


def written(dataset: Dataset) -> bytes:
    """A data set as a file."""
    buffer = BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with serve_both(tmp_path / "data") as served:
        port = urlsplit(served.dicomweb_url).port or 0
        clean, other = radiographs()[:2]
        assert clean.StudyInstanceUID == other.StudyInstanceUID
        upload(port, written(clean))
        upload(port, burned(written(other), BURNED, (20, 8)))
        api = Api(served.dicomweb_url)
        yield Archive(served, api, clean.StudyInstanceUID, clean.SOPInstanceUID, other.SOPInstanceUID)


def instances(api: Api, study: str) -> list[str]:
    """The UIDs of a study's instances."""
    series = api.ask("GET", f"/studies/{study}/series").json["items"]
    pages = (api.ask("GET", f"/studies/{study}/series/{one['series_instance_uid']}/instances") for one in series)
    return [one["sop_instance_uid"] for page in pages for one in page.json["items"]]


def told(api: Api, event: str) -> list[str]:
    """The audit messages of a kind."""
    return [one["xml"] for one in api.ask("GET", f"/audit?event={event}").json["items"]]


def test_a_copy_is_a_new_study_with_the_label_of_its_project(archive: Archive) -> None:
    wanted = {"project": "lung-trial", "options": ["retain-modified-dates"]}
    task = archive.api.task("POST", f"/studies/{archive.study}/deidentified", wanted)
    assert (task["kind"], task["state"], task["done"], task["total"]) == ("deidentify", "done", 2, 2)
    result = task["result"]
    assert (result["completed"], result["stored"], result["failed"]) == (1, 1, 1)
    assert result["problems"] == {archive.marked: "frame 1 looks as if text were burned into it"}
    copy = archive.api.ask("GET", f"/studies/{result['study_instance_uid']}").json
    original = archive.api.ask("GET", f"/studies/{archive.study}").json
    assert (copy["labels"], copy["instances"], original["labels"], original["instances"]) == (["lung-trial"], 1, [], 2)
    assert copy["patient_name"].startswith("Patient^")
    assert original["patient_name"] not in json.dumps(copy)
    limited = archive.api.ask("GET", "/studies?label=lung-trial").json["items"]
    assert [one["study_instance_uid"] for one in limited] == [result["study_instance_uid"]]


def test_who_asks_twice_gets_the_same_copy_and_other_options_are_told(archive: Archive) -> None:
    path = f"/studies/{archive.study}/deidentified"
    first = archive.api.task("POST", path, {"project": "p"})["result"]
    second = archive.api.task("POST", path, {"project": "p"})["result"]
    assert second == {**first, "stored": 0}
    assert len(instances(archive.api, first["study_instance_uid"])) == 1
    third = archive.api.task("POST", path, {"project": "p", "options": ["retain-full-dates"]})["result"]
    assert (third["completed"], third["failed"]) == (0, 2)
    assert "another copy is kept already" in third["problems"][archive.clean]
    other = archive.api.task("POST", path, {"project": "q"})["result"]
    assert other["study_instance_uid"] not in {first["study_instance_uid"], archive.study}


@pytest.mark.parametrize(
    ("wanted", "status", "reason"),
    [
        ({"project": "../p"}, 400, "no name of a project"),
        ({"project": "p", "options": ["clean-all"]}, 400, "no option is called"),
        ({"project": "p", "options": ["retain-uids"]}, 400, "UIDs of its own"),
        ({"project": "p", "options": ["retain-full-dates", "retain-modified-dates"]}, 400, "either kept or modified"),
        ({"project": "p", "options": [FACES], "keep_pixels": True}, 400, "removes pixels"),
        ({"project": "p", "rules": "x"}, 400, "rules"),
    ],
)
def test_what_cannot_be_asked_for_is_said_before_anything_begins(
    archive: Archive, wanted: dict[str, object], status: int, reason: str
) -> None:
    answer = archive.api.ask("POST", f"/studies/{archive.study}/deidentified", wanted)
    assert (answer.status, reason in answer.json["error"]) == (status, True)
    assert archive.api.ask("GET", "/tasks").json == []
    assert archive.api.ask("POST", "/studies/1.2.3/deidentified", {"project": "p"}).status == 404


def test_what_has_the_uids_of_the_standard_itself_is_not_copied_into_its_own_study(tmp_path: Path) -> None:
    """Such UIDs stand for themselves; a copy would get among the originals."""
    dataset = radiographs()[0]
    dataset.StudyInstanceUID = UID("1.2.840.10008.1.1")
    with serve_both(tmp_path / "data") as served:
        upload(urlsplit(served.dicomweb_url).port or 0, written(dataset))
        api = Api(served.dicomweb_url)
        result = api.task("POST", f"/studies/{dataset.StudyInstanceUID}/deidentified", {"project": "p"})["result"]
        (reason,) = result["problems"].values()
        assert reason == "its UIDs are such as the standard itself defines, and stay what they are"
        assert instances(api, dataset.StudyInstanceUID) == [dataset.SOPInstanceUID]


def test_an_archive_holds_the_same_objects_and_says_what_it_leaves_out(archive: Archive, tmp_path: Path) -> None:
    status, content = archive.zipped("project=lung-trial")
    copied = archive.api.task("POST", f"/studies/{archive.study}/deidentified", {"project": "lung-trial"})["result"]
    (uid,) = instances(archive.api, copied["study_instance_uid"])
    assert status == 200
    with zipfile.ZipFile(BytesIO(content)) as found:
        assert found.testzip() is None
        assert sorted(found.namelist()) == [f"{uid}.dcm", "REFUSED.txt"]
        refused = found.read("REFUSED.txt").decode()
        made = pydicom.dcmread(BytesIO(found.read(f"{uid}.dcm")))
    assert refused.splitlines()[0] == "1 of 2 objects are not in this archive:"
    assert refused.splitlines()[1].endswith(": frame 1 looks as if text were burned into it")
    assert not any(uid in refused for uid in (archive.marked, archive.study))
    assert (made.StudyInstanceUID, made.PatientIdentityRemoved) == (copied["study_instance_uid"], "YES")
    assert list((tmp_path / "data" / "cache" / "deidentified").rglob("*.*")) == []


def test_faces_go_from_copies_and_archives_of_whole_series_and_not_to_nodes(tmp_path: Path) -> None:
    head = Scan("axial", MR, noise=0, step=6)
    with serve_both(tmp_path / "data") as served:
        for one in (*head.slices, *radiographs()[:1]):
            one.StudyInstanceUID = head.slices[0].StudyInstanceUID
            upload(urlsplit(served.dicomweb_url).port or 0, written(one))
        study, api = head.slices[0].StudyInstanceUID, Api(served.dicomweb_url)
        archive = Archive(served, api, study, "", "")
        result = api.task("POST", f"/studies/{study}/deidentified", {"project": "p", "options": [FACES]})["result"]
        status, content = archive.zipped(f"project=p&option={FACES}")
        entry = {"ae_title": "A", "host": "127.0.0.1", "port": 104, "deidentify": "p", "deidentify_options": [FACES]}
        answer = api.ask("POST", "/nodes", entry)
        assert (answer.status, "whole series" in answer.json["error"]) == (406, True)
        assert sorted(instances(api, result["study_instance_uid"])) == sorted(
            name.removesuffix(".dcm") for name in unzipped(content) if name != "REFUSED.txt"
        )
    assert (result["completed"], result["failed"], status) == (48, 1, 200)
    assert list(result["problems"].values()) == [
        "faces are removed from plain CT and MR images alone, and it is neither"
    ]
    assert b"CT and MR images alone" in unzipped(content)["REFUSED.txt"]
    made = [pydicom.dcmread(BytesIO(data)) for name, data in unzipped(content).items() if name != "REFUSED.txt"]
    before = {int(one.InstanceNumber): one.pixel_array for one in head.slices}
    assert {one.RecognizableVisualFeatures for one in made} == {"NO"}
    assert 10 < sum((one.pixel_array != before[int(one.InstanceNumber)]).any() for one in made) < 40


def test_an_archive_may_keep_uids_and_pixels_where_that_is_asked_for(archive: Archive) -> None:
    status, content = archive.zipped("project=p&option=retain-uids&option=retain-full-dates&keep_pixels=true")
    assert status == 200
    with zipfile.ZipFile(BytesIO(content)) as found:
        assert sorted(found.namelist()) == sorted([f"{archive.clean}.dcm", f"{archive.marked}.dcm"])
    assert archive.zipped("project=p&option=x")[0] == 400
    assert archive.zipped("")[0] == 400
    assert archive.zipped("project=p", "1.2.3")[0] == 404


def test_copies_and_archives_are_exports_to_the_audit_trail(archive: Archive) -> None:
    archive.api.task("POST", f"/studies/{archive.study}/deidentified", {"project": "p"})
    archive.zipped("project=p")
    assert wait_until(lambda: len(told(archive.api, "110106")) == 4, 20.0)
    texts = told(archive.api, "110106")
    assert sum("<Anonymized>true</Anonymized>" in text for text in texts) == 2
    assert all(archive.study in text for text in texts)
    assert [problems(text.encode()) for text in texts] == [""] * 4


def deidentifying(api: Api, node: RemoteNode, *options: str) -> None:
    """Enter a node that may have nothing but de-identified objects."""
    entry = {"ae_title": node.ae_title, "host": node.host, "port": node.port, "deidentify": "lung-trial"}
    answer = api.ask("POST", "/nodes", {**entry, "deidentify_options": list(options)})
    assert (answer.status, answer.json["deidentify"]) == (201, "lung-trial")


def moved(archive: Archive, destination: str, study: str = "") -> tuple[int, int, int]:
    """Have a study sent by C-MOVE; return the final status and how many were sent and failed."""
    with Client("ANY") as client, client.connect(archive.served.node, for_services(STUDY_ROOT_MOVE)) as association:
        syntax = association.transfer_syntax(STUDY_ROOT_MOVE)
        query = identifier("STUDY", syntax, StudyInstanceUID=study or archive.study)
        *_, final = association.move(STUDY_ROOT_MOVE, query, destination)
    return final.status, final.completed or 0, final.failed or 0


def test_to_a_node_with_a_project_nothing_goes_that_names_anybody(archive: Archive, tmp_path: Path) -> None:
    node = RemoteNode("RESEARCH", "127.0.0.1", free_port())
    deidentifying(archive.api, node, "retain-modified-dates")
    with storescp(node, tmp_path / "in"):
        status, completed, failed = moved(archive, node.ae_title)
        assert (status, completed, failed) == (0xB000, 1, 1)
        (received,) = (tmp_path / "in").iterdir()
        made = pydicom.dcmread(received)
        task = archive.api.task("POST", "/nodes/RESEARCH/send", {"studies": [archive.study]})
        assert (task["result"]["completed"], task["result"]["failed"]) == (1, 1)
        assert task["result"]["problems"] == {archive.marked: "frame 1 looks as if text were burned into it"}
        assert list((tmp_path / "in").iterdir()) == [received]  # the same object under the same name
    assert made.SOPInstanceUID == made.file_meta.MediaStorageSOPInstanceUID
    assert made.SOPInstanceUID not in {archive.clean, archive.marked}
    assert (made.PatientIdentityRemoved, made.LongitudinalTemporalInformationModified) == ("YES", "MODIFIED")
    sent = "<Anonymized>true</Anonymized>"
    assert wait_until(lambda: any(sent in text for text in told(archive.api, "110104")), 20.0)


def test_a_node_with_a_project_that_fetches_by_c_get_gets_de_identified_objects_too(archive: Archive) -> None:
    deidentifying(archive.api, RemoteNode("RESEARCH", "127.0.0.1", free_port()))
    (kind,) = {dataset.SOPClassUID for dataset in radiographs()}
    contexts = propose([(STUDY_ROOT_GET, (EXPLICIT_VR_LITTLE_ENDIAN,)), (kind, (EXPLICIT_VR_LITTLE_ENDIAN,))])
    for title, expected in (("RESEARCH", 1), ("OTHER", 2)):
        memory = Memory()
        with (
            Client(title) as client,
            client.connect(archive.served.node, contexts, as_receiver(contexts[1:])) as association,
        ):
            query = identifier("STUDY", EXPLICIT_VR_LITTLE_ENDIAN, StudyInstanceUID=archive.study)
            *_, final = association.get(STUDY_ROOT_GET, query, memory.open)
        assert final.completed == expected
        assert (archive.clean in memory.datasets) is (title == "OTHER")
        assert any(b"Patient^" in data for data in memory.datasets.values()) is (title == "RESEARCH")


def test_what_was_blanked_goes_in_the_form_that_the_node_takes(tmp_path: Path) -> None:
    """A loop in lossy JPEG is written anew without loss where something is blanked; not each node takes that."""
    original = pydicom.dcmread(real_file("examples_ybr_color.dcm"))
    with serve_both(tmp_path / "data") as served:
        upload(urlsplit(served.dicomweb_url).port or 0, real_file("examples_ybr_color.dcm").read_bytes())
        api = Api(served.dicomweb_url)
        archive = Archive(served, api, original.StudyInstanceUID, "", "")
        for title, option, syntax in (("ALL", "+xa", JPEG_2000_LOSSLESS), ("PLAIN", "+xe", EXPLICIT_VR_LITTLE_ENDIAN)):
            node = RemoteNode(title, "127.0.0.1", free_port())
            deidentifying(api, node)
            with storescp(node, tmp_path / title, option):
                assert moved(archive, title) == (0, 1, 0)
            (received,) = (tmp_path / title).iterdir()
            made = pydicom.dcmread(received)
            assert (made.file_meta.TransferSyntaxUID, made.NumberOfFrames) == (syntax, original.NumberOfFrames)
            assert made.BurnedInAnnotation == "NO"


def test_rules_and_nodes_stand_in_the_settings(tmp_path: Path) -> None:
    node = RemoteNode("RESEARCH", "127.0.0.1", free_port())
    data = tmp_path / "data"
    data.mkdir()
    (data / "rules.toml").write_text('[[rule]]\nmodality = "CR"\nblank = [[0, 0, 10000, 40]]\n')
    settings = '[deidentification]\nrules = "rules.toml"\n'
    settings += f'[nodes.RESEARCH]\nhost = "127.0.0.1"\nport = {node.port}\ndeidentify = "p"\n'
    (data / "archimage.toml").write_text(settings + 'deidentify_options = ["retain-full-dates"]\n')
    marked = radiographs()[1]
    with serve_both(data) as served, storescp(node, tmp_path / "in"):
        upload(urlsplit(served.dicomweb_url).port or 0, burned(written(marked), BURNED, (20, 8)))
        archive = Archive(served, Api(served.dicomweb_url), marked.StudyInstanceUID, "", "")
        assert moved(archive, "RESEARCH") == (0, 1, 0)
    (received,) = (tmp_path / "in").iterdir()
    made = pydicom.dcmread(received)
    assert (made.StudyDate, len(set(made.pixel_array[:40].flat))) == (marked.StudyDate, 1)


def test_of_1000_planted_identifiers_none_leaves_a_running_archive(tmp_path: Path) -> None:
    """By a copy and what is told of it over DICOMweb, by an archive, and by C-MOVE to DCMTK."""
    planter, data, into = Planter(), tmp_path / "data", tmp_path / "in"
    for folder in (data, into):
        folder.mkdir()
    study = planter.study(into)
    (data / "rules.toml").write_text(BLANKING)
    (data / "archimage.toml").write_text('[deidentification]\nrules = "rules.toml"\n')
    node = RemoteNode("RESEARCH", "127.0.0.1", free_port())
    with serve_both(data) as served, storescp(node, tmp_path / "out", "+xa"):
        originals = {path.name: path.read_bytes() for path in into.iterdir()}
        for content in originals.values():
            upload(urlsplit(served.dicomweb_url).port or 0, content)
        api, count = Api(served.dicomweb_url), len(originals)
        archive = Archive(served, api, study, "", "")
        deidentifying(api, node)
        assert len(survivors(planter.tokens, originals)) == len(planter.tokens) - 1 > 1000  # but for that in pixels
        assert len(instances(api, study)) == count
        task = api.task("POST", f"/studies/{study}/deidentified", {"project": "lung-trial"})
        copy = task["result"]["study_instance_uid"]
        web = f"/dicom-web/studies/{copy}"
        paths = (f"{web}/metadata", f"{web}/series", f"{web}/instances?includefield=all", f"/api/v1/studies/{copy}")
        told = [json.dumps(task["result"]), *(archive.get(path)[1].decode() for path in paths)]
        ways = {
            "copy": unzipped(archive.get(f"{web}?accept=application/zip")[1]),
            "archive": unzipped(archive.zipped("project=lung-trial")[1]),
        }
        assert moved(archive, node.ae_title) == (0, count, 0)
    ways["node"] = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert task["result"]["completed"] == count
    assert survivors([*planter.tokens, "19370412", "MADE FOR QX"], {}, *told) == set()
    for way, files in ways.items():
        assert len(files) == count, way
        assert survivors([*planter.tokens, "19370412", "MADE FOR QX"], files) == set(), way
        objects = [pydicom.dcmread(BytesIO(data)) for data in files.values()]
        assert {one.Modality for one in objects} == KINDS
        assert {one.PatientIdentityRemoved for one in objects} == {"YES"}
        assert is_blanked(objects), way


def test_of_an_archive_that_nobody_reads_to_its_end_nothing_stays(tmp_path: Path) -> None:
    clean = radiographs()[0]
    with running(tmp_path / "data") as server:
        for number in range(12):
            clean.SOPInstanceUID = clean.file_meta.MediaStorageSOPInstanceUID = UID(f"1.2.3.{number}")
            upload(server.http_port, written(clean))
        with socket.create_connection(("127.0.0.1", server.http_port), timeout=60) as client:
            path = f"/api/v1/studies/{clean.StudyInstanceUID}/deidentified/archive?project=p"
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.http_port}\r\n\r\n".encode())
            assert client.recv(12) == b"HTTP/1.1 200"
            assert wait_until(lambda: bool(open_files(server)), 60.0)
        assert wait_until(lambda: not open_files(server), 60.0)
        api = Api(f"http://127.0.0.1:{server.http_port}")
        assert wait_until(lambda: bool(told(api, "110106")), 20.0)
        assert any(other.is_file() for other in (tmp_path / "data" / "cache" / "deidentified").rglob("*")) is False


def open_files(server: Server) -> list[str]:
    """The files of de-identified objects that a server holds open."""
    links = Path(f"/proc/{server.process.pid}/fd").iterdir()
    with suppress(OSError):  # they come and go
        return [target for link in links if "/deidentified/" in (target := str(link.readlink()))]
    return ["one that was closed meanwhile"]


def unzipped(content: bytes) -> dict[str, bytes]:
    """The files of an archive."""
    with zipfile.ZipFile(BytesIO(content)) as found:
        return {name: found.read(name) for name in found.namelist()}
