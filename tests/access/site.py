"""A real server with users, rules, tokens and links, and those who come to it."""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid

from archimage.app import build
from archimage.config import Config, StorageConfig
from archimage.services.accounts import UserChange
from archimage.services.policy import STARTER
from tests.attacks.server import Server, running

PASSWORD: Final = "correct horse battery"
RULES: Final = (
    STARTER
    + """
[[rule]]
name = "Neurology works with its own"
roles = ["neurologist"]
allow = ["query", "retrieve", "modify", "delete"]
labels = ["neuro"]
"""
)
ROLES: Final = {
    "administrator": ["administrator"],
    "editor": ["editor"],
    "reader": ["reader"],
    "auditor": ["auditor"],
    "idle": [],
    "disabled": ["administrator"],
    "neurologist": ["neurologist"],
}
"""Name and roles of every user."""


@dataclass(frozen=True)
class Study:
    """A study of one CT image that somebody stores."""

    patient_id: str
    study: str = field(default_factory=generate_uid)
    series: str = field(default_factory=generate_uid)
    instance: str = field(default_factory=generate_uid)

    def file(self) -> bytes:
        """Return its image as a Part 10 file."""
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, UID(self.instance)
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
        image.SOPClassUID, image.SOPInstanceUID = CTImageStorage, self.instance
        image.StudyInstanceUID, image.SeriesInstanceUID = self.study, self.series
        image.PatientID, image.PatientName, image.Modality = self.patient_id, "Demo^Access", "CT"
        image.Rows = image.Columns = 4
        image.BitsAllocated = image.BitsStored = 16
        image.HighBit, image.PixelRepresentation, image.SamplesPerPixel = 15, 0, 1
        image.PhotometricInterpretation, image.PixelData = "MONOCHROME2", bytes(32)
        written = BytesIO()
        pydicom.dcmwrite(written, image, enforce_file_format=True)
        return written.getvalue()


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    cookies: tuple[str, ...]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, from JSON."""
        return json.loads(self.body)


Headers = Mapping[str, str]


class Site:
    """A server and what it holds: neuro and other are studies of two patients, of which the first is labelled."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.neuro, self.other = Study("NEURO"), Study("OTHER")

    def ask(
        self, method: str, path: str, body: bytes | None = None, sent: Headers | None = None, timeout_s: float = 30
    ) -> Answer:
        """Send one request."""
        with closing(HTTPConnection("127.0.0.1", self.server.http_port, timeout=timeout_s)) as connection:
            connection.request(method, path, body, dict(sent or {}))
            answer = connection.getresponse()
            cookies = tuple(answer.headers.get_all("Set-Cookie", []))
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, cookies, answer.read())

    def api(self, method: str, path: str, value: object = None, headers: Headers | None = None) -> Answer:
        """Ask the management API, as the administrator unless headers say otherwise."""
        who = basic("administrator") if headers is None else headers
        body = None if value is None else json.dumps(value).encode()
        return self.ask(method, f"/api/v1{path}", body, {"Content-Type": "application/json", **who})

    def store(self, study: Study, headers: Headers | None = None) -> Answer:
        """Store a study by STOW-RS."""
        who = basic("administrator") if headers is None else headers
        body, kind = stow(study)
        return self.ask("POST", "/dicom-web/studies", body, {"Content-Type": kind, **who})

    def token(self, owner: str, name: str, **limits: object) -> Headers:
        """Issue an API token; return what comes with it."""
        issued = self.api("POST", "/tokens", {"owner": owner, "name": name, **limits})
        assert issued.status == 201, issued.body
        return bearer(issued.json["secret"])

    def share(self, study: str) -> Headers:
        """Make a link; return the cookie of who follows it."""
        session = self.session("administrator")
        made = self.api("POST", "/shares", {"study_instance_uid": study}, {**session, **self.own_page()})
        assert made.status == 201, made.body
        return cookie(self.ask("GET", made.json["path"]))

    def session(self, user: str) -> Headers:
        """Log in at the page; return the cookie."""
        form = f"user={user}&password={PASSWORD.replace(' ', '+')}".encode()
        answer = self.ask(
            "POST", "/login", form, {"Content-Type": "application/x-www-form-urlencoded", **self.own_page()}
        )
        assert answer.status == 303, answer.body
        return cookie(answer)

    def own_page(self) -> Headers:
        """Return what a browser says of a page of this server."""
        return {"Sec-Fetch-Site": "same-origin", "Origin": f"http://127.0.0.1:{self.server.http_port}"}


def basic(user: str, password: str = PASSWORD) -> Headers:
    """Return what comes with a name and a password."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def bearer(secret: str) -> Headers:
    """Return what comes with a token."""
    return {"Authorization": f"Bearer {secret}"}


def cookie(answer: Answer) -> Headers:
    """Return the cookies that a browser was given; those that it was to forget are left out."""
    return {"Cookie": "; ".join(one.partition(";")[0] for one in answer.cookies if "Max-Age=0" not in one)}


def stow(study: Study) -> tuple[bytes, str]:
    """Return the body of a STOW-RS request, and its type."""
    head = b"--b\r\nContent-Type: application/dicom\r\n\r\n"
    return head + study.file() + b"\r\n--b--\r\n", 'multipart/related; type="application/dicom"; boundary=b'


@contextmanager
def closed_site(directory: Path, settings: Mapping[str, object] | None = None, rules: str = RULES) -> Iterator[Site]:
    """Run a server with every user, the rules, and both studies."""
    directory.mkdir(parents=True)
    (directory / "access.toml").write_text(rules)
    add_users(directory)
    with running(directory, settings=settings) as server:
        site = Site(server)
        assert site.store(site.neuro).status == site.store(site.other).status == 200
        assert site.api("PUT", f"/studies/{site.neuro.study}/labels/neuro").status == 200
        yield site


def add_users(directory: Path) -> None:
    """Enter every user in a data directory, as the command does."""
    app = build(Config(storage=StorageConfig(directory=directory)))
    try:
        for name, roles in ROLES.items():
            app.identity.users.add(name, UserChange(password=PASSWORD, roles=roles, disabled=name == "disabled"))
    finally:
        app.close()
