"""What is chosen of several forms follows the client's preferences, however they are written (PS3.18 §8.7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archimage.errors import ArchimageError, ExcessiveRequestError, InvalidRequestError, NotAcceptableError
from archimage.web.dicomweb.negotiation import Choice, Offer, choose, parse_accept, rank

JSON = Offer("application/dicom+json")
XML = Offer("application/dicom+xml", multipart=True)
SYNTAXES = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90")
FRAMES = Offer("application/octet-stream", multipart=True, transfer_syntaxes=SYNTAXES)
FRAME = Offer("application/octet-stream", transfer_syntaxes=SYNTAXES)
JPEG, PNG, GIF = Offer("image/jpeg"), Offer("image/png"), Offer("image/gif")


@pytest.mark.parametrize(
    ("accept", "offers", "chosen"),
    [
        (None, (JSON, XML), Choice(JSON)),
        ("", (JSON, XML), Choice(JSON)),
        ("*/*", (JSON, XML), Choice(JSON)),
        ("*", (JSON, XML), Choice(JSON)),
        ("application/*", (JSON, XML), Choice(JSON)),
        ("APPLICATION/DICOM+JSON", (XML, JSON), Choice(JSON)),
        ('multipart/related; type="application/dicom+xml"', (JSON, XML), Choice(XML)),
        ("multipart/related; type=application/dicom+xml", (JSON, XML), Choice(XML)),
        ("multipart/related", (JSON, XML), Choice(XML)),
        ("multipart/related;type=application/dicom+xml;q=0.5, application/dicom+json;q=0.6", (XML, JSON), Choice(JSON)),
        ("image/png, */*", (JPEG, PNG), Choice(PNG)),
        ("image/png;q=0.2, image/*;q=0.9", (PNG, JPEG), Choice(JPEG)),
        ("image/gif, image/png", (JPEG, PNG, GIF), Choice(GIF)),
        ("image/jpeg;q=0, image/*", (JPEG, PNG), Choice(PNG)),
        ("text/html, application/xhtml+xml, */*;q=0.8", (JPEG,), Choice(JPEG)),
        ("application/dicom+json; charset=utf-8", (JSON,), Choice(JSON)),
        (" , application/dicom+json ,", (JSON,), Choice(JSON)),
        # The star of OHIF, quoted, and that of others, plain.
        ('multipart/related; type="application/octet-stream"; transfer-syntax="*"', (FRAMES,), Choice(FRAMES, "*")),
        ("multipart/related; type=application/octet-stream; transfer-syntax=*", (FRAMES,), Choice(FRAMES, "*")),
        ("multipart/related; type=application/octet-stream", (FRAMES,), Choice(FRAMES)),
        (f"application/octet-stream;transfer-syntax={SYNTAXES[1]}", (FRAMES, FRAME), Choice(FRAME, SYNTAXES[1])),
        (
            f"multipart/related;transfer-syntax={SYNTAXES[1]};q=0.4,multipart/related;transfer-syntax={SYNTAXES[0]};q=0.5",
            (FRAMES,),
            Choice(FRAMES, SYNTAXES[0]),
        ),
        # A transfer syntax means nothing where an offer has none.
        ("application/dicom+json; transfer-syntax=1.2.3", (JSON,), Choice(JSON)),
    ],
)
def test_the_client_gets_what_it_likes_best(accept: str | None, offers: tuple[Offer, ...], chosen: Choice) -> None:
    assert choose(accept, None, offers) == chosen


@pytest.mark.parametrize(
    "accept",
    [
        "image/png",
        "text/*",
        "application/dicom+json;q=0",
        "application/dicom+json; charset=utf-16",
        'multipart/related; type="application/dicom+json"',
        "application/dicom+xml",
        "multipart/mixed",
    ],
)
def test_nothing_that_is_taken_is_406_and_names_what_is_offered(accept: str) -> None:
    with pytest.raises(NotAcceptableError, match='multipart/related; type="application/dicom'):
        choose(accept, None, (JSON, XML))


def test_a_transfer_syntax_that_cannot_be_made_is_not_acceptable() -> None:
    with pytest.raises(NotAcceptableError):
        choose("application/octet-stream; transfer-syntax=1.2.3", None, (FRAME,))


def test_the_parameter_takes_the_place_of_the_header() -> None:
    assert choose("*/*", "image/png", (JPEG, PNG)) == Choice(PNG)
    assert choose("image/jpeg", "image/png", (JPEG, PNG)) == Choice(PNG)


def test_a_plus_sign_that_became_a_space_is_a_plus_sign() -> None:
    assert choose(None, "application/dicom json", (XML, JSON)) == Choice(JSON)


def test_the_next_best_follow_the_best() -> None:
    accept = "image/png;q=0.5, image/jpeg;q=0.7, image/gif;q=0.1"
    assert rank(accept, None, (GIF, JPEG, PNG)) == (Choice(JPEG), Choice(PNG), Choice(GIF))


@pytest.mark.parametrize(
    "accept", ["image", "image/", "/png", "image/png image/gif", "image/png;q=2", "image/png;q=x", 'a/b;x="y', "a/b;=c"]
)
def test_what_cannot_be_read_is_told(accept: str) -> None:
    with pytest.raises(InvalidRequestError, match="Accept"):
        parse_accept(accept)


@pytest.mark.parametrize("accept", ["a/b," * 70, "a/b;x=" + "y" * 9_000])
def test_more_than_any_client_needs_is_refused(accept: str) -> None:
    with pytest.raises(ExcessiveRequestError):
        parse_accept(accept)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        choice = choose(text, None, (JSON, XML, FRAMES))
    except ArchimageError:
        return
    assert choice.offer in {JSON, XML, FRAMES}


TOKENS = st.text("abcdefghijklmnopqrstuvwxyz0123456789.+-", min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)


@given(TOKENS, TOKENS, TOKENS.filter(lambda name: name != "q"), VALUES, st.integers(0, 1000))
def test_what_is_written_is_read_back(kind: str, subtype: str, name: str, value: str, quality: int) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    (found,) = parse_accept(f'{kind}/{subtype}; {name}="{quoted}"; q={quality / 1000:.3f}')
    assert (found.kind, found.parameters) == (f"{kind}/{subtype}", {name: value})
    assert found.quality == quality / 1000


@given(st.permutations([(JPEG, 0.9), (PNG, 0.5), (GIF, 0.1)]))
def test_the_order_of_writing_does_not_matter_where_qualities_differ(wanted: list[tuple[Offer, float]]) -> None:
    accept = ", ".join(f"{offer.media_type};q={quality}" for offer, quality in wanted)
    assert [choice.offer for choice in rank(accept, None, (GIF, PNG, JPEG))] == [JPEG, PNG, GIF]
