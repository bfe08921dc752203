"""The statement as a whole: the sections of PS3.2, in its order."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from archimage import __version__
from archimage.app import App, build
from archimage.config import Config, StorageConfig
from archimage.net.dispatch import Registry
from archimage.server import association_settings, registry
from archimage.threads import WorkerThreads
from archimage.web.dicomweb.table import RESOURCES
from scripts.conformance import dicomweb, limits, networking, objects
from scripts.conformance.markdown import bullets, page, paragraph, table

_TITLE = "# DICOM conformance statement of archimage"
_MADE = "<!-- Made by `make conformance` from the tables that the server runs on: change those, not this file. -->"


def statement() -> str:
    """Return the page, of an archive with the default settings."""
    with TemporaryDirectory() as directory:
        app = build(Config(storage=StorageConfig(directory=Path(directory))))
        threads, readers = WorkerThreads(1, "ingest"), ThreadPoolExecutor(1)
        try:
            return page(*_parts(app, registry(app, threads, readers)))
        finally:
            threads.close()
            readers.shutdown()
            app.close()


def _parts(app: App, services: Registry) -> Iterator[str]:
    config = app.config
    yield from (_MADE, _TITLE)
    yield from _overview(services)
    yield from _introduction()
    yield "## 3 Networking (DIMSE)"
    yield from _model()
    yield from networking.acceptor(services, config, association_settings(config.dicom))
    yield from networking.behaviour()
    yield from networking.requestor()
    yield from _configuration()
    yield from chain(dicomweb.resources(), _media(), objects.transfer_syntaxes(), _security(), objects.character_sets())
    yield from chain(objects.storage_classes(), objects.attributes(), limits.limits(config))


def _overview(services: Registry) -> Iterator[str]:
    yield paragraph(
        f"""Version {__version__}. This statement says which parts of the DICOM standard archimage implements, so that
        the engineers of a hospital can tell what will work together with it before they connect anything. It follows
        the order of PS3.2. Every table is made from those that the server runs on."""
    )
    yield "## 1 Overview"
    yield paragraph(
        """archimage is an image archive (PACS). Over DICOM's own network protocol (DIMSE) it receives, finds and sends
        objects; over HTTP it does the same with DICOMweb. It displays nothing by itself, and is not a certified medical
        device."""
    )
    yield networking.services(services)
    methods = {(found.method, dicomweb.address(found).rstrip("/")) for found in RESOURCES}
    yield paragraph(
        f"""DICOMweb (PS3.18), as an origin server: {len(methods)} transactions to search, retrieve, store and remove,
        listed in section 4."""
    )


def _introduction() -> Iterator[str]:
    yield "## 2 Introduction"
    yield paragraph(
        """It is written for those who connect modalities, viewers and other archives, and who know the terms of the
        standard: AE (application entity), SCU and SCP (who asks, and who serves), SOP class (a kind of object or
        service), transfer syntax (how an object is encoded), PDU (a message of the network protocol). A conformance
        statement alone does not prove that two products work together: try it with your own objects. Values that
        settings change are those of a fresh installation; `docs/configuration.md` describes every setting."""
    )


def _model() -> Iterator[str]:
    yield "### 3.1 Application entities"
    yield paragraph(
        """There is one application entity. It waits for associations (sections 3.2 and 3.3), and asks for them to send
        what a C-MOVE names, and where a person wants something of another node (section 3.4).
        Associations are served side by side, each in the order in which its requests
        come, or several at once where an asynchronous window was agreed on. Several processes may serve one port
        (`dicom.workers`); each counts its own associations."""
    )
    yield table(
        ("real-world activity", "service"),
        (
            ("A peer checks the connection", "Verification"),
            ("A modality or archive sends objects", "Storage"),
            ("A workstation looks for studies, series or images", "Query (C-FIND)"),
            ("A modality asks who is scheduled", "Modality Worklist (C-FIND)"),
            ("A modality reports what it does and has done", "Modality Performed Procedure Step"),
            ("A workstation has objects sent to itself or to a third", "Retrieve (C-GET, C-MOVE)"),
            ("A person has this archive ask another node, or send to it", "All of these, as SCU"),
        ),
    )


def _configuration() -> Iterator[str]:
    yield "### 3.5 Network interfaces and configuration"
    yield bullets(
        (
            "TCP over IPv4 or IPv6; TLS is not offered yet.",
            "The archive listens on loopback only, until `dicom.host` and `http.host` say otherwise.",
            "Peers that the archive may call stand in `nodes`: AE title, address and port. Nobody else is ever called.",
            (
                "`dicom.accepted_called_ae_titles`, `dicom.any_called_ae_title` and `dicom.allowed_calling_ae_titles` "
                "say who may ask for an association, and under which name."
            ),
        )
    )


def _media() -> Iterator[str]:
    yield "## 5 Media interchange"
    yield paragraph(
        """No application profile of PS3.11 is claimed. `archimage import` reads Part 10 files from folders, zip
        archives and DICOMDIRs, in every transfer syntax. Stored objects are kept as Part 10 files; their File Meta
        Information is written anew."""
    )


def _security() -> Iterator[str]:
    yield "## 7 Security"
    yield paragraph(
        """Secure transport: the BCP 195 RFC 8996, 9325 TLS Profile (PS3.15 B.12) and its modified variant (B.13), as
        acceptor and as requestor, once a certificate is set (`tls.*`); the port is `dicom.tls_port`, 2762 by default,
        beside the one without TLS, and never the same. Certificates of peers are required by setting, checked against
        `tls.authorities` and `tls.revoked`, and may be bound to calling AE titles (`tls.peers`); without
        that a calling AE title is a claim and no proof. Who may do what is decided by rules
        (docs/access.md). Web requests are answered only under the addresses of the server and the names in
        `http.allowed_hosts`; pages of other origins may use it only if `http.cors_origins` names them. SECURITY.md
        says more."""
    )
    yield paragraph(
        """As a de-identifier (PS3.15 Annex E) the archive has the Basic Application Level Confidentiality Profile and
        all of its options but Clean Recognizable Visual Features, and replaces what it may replace with pseudonyms: by
        the command `archimage deidentify`, in copies and archives of studies that are asked for over HTTP, and in all
        that is sent to a node that has a project (`nodes.AET.deidentify`). docs/deidentification.md says what each
        option does and which private attributes stay. Other objects are sent and retrieved as they are kept."""
    )
