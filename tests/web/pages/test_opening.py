"""Addresses that have programs open a study, as those programs read them."""

from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from archimage.config import HttpConfig
from archimage.web.pages.opening import Viewers, programs
from tests.services.archive import records
from tests.web.serving import config, serving

_DICOMWEB = "https://pacs.example:8443/dicom-web"


def test_weasis_is_told_its_command() -> None:
    address = dict(programs(_DICOMWEB, "1.2.3"))["Weasis"]
    scheme, _, command = address.partition("?")
    assert scheme == "weasis://"
    assert unquote(command) == f'$dicom:rs --url "{_DICOMWEB}" -r "studyUID=1.2.3"'
    assert not set(' "$:/') & set(command)


def test_slicer_is_told_the_study_and_where_it_is() -> None:
    address = urlsplit(dict(programs(_DICOMWEB, "1.2.3"))["3D Slicer"])
    assert (address.scheme, address.netloc, address.path) == ("slicer", "viewer", "/")
    assert parse_qs(address.query) == {"studyUID": ["1.2.3"], "dicomweb_endpoint": [_DICOMWEB]}


def test_studies_and_series_open_in_the_full_viewer_if_there_is_one() -> None:
    full, small = Viewers(full=True), Viewers(full=False)
    assert full.study("1.2") == "/ohif/viewer?StudyInstanceUIDs=1.2"
    assert full.series("1.2", "1.3") == "/ohif/viewer?StudyInstanceUIDs=1.2&initialSeriesInstanceUID=1.3"
    assert small.study("1.2") == full.built_in("1.2") == "/viewer?study=1.2"
    assert small.series("1.2", "1.3") == "/viewer?study=1.2&series=1.3"


def test_programs_are_sent_where_clients_see_the_server(tmp_path: Path) -> None:
    for http, name in (
        (HttpConfig(port=0), ""),
        (HttpConfig(port=0, public_url="https://pacs.example"), "pacs.example"),
    ):
        with serving(config(tmp_path / (name or "own"), http), records()) as client:
            text = client.ask("/studies/1.2").body.decode()
            seen = f"https%3A%2F%2F{name}" if name else f"http%3A%2F%2F127.0.0.1%3A{client.port}"
            assert f"dicomweb_endpoint={seen}%2Fdicom-web" in text
            assert f"%22{seen}%2Fdicom-web%22" in text
