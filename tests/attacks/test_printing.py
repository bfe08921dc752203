"""Peers that print what no printer takes: data sets beyond the limit, too many boxes, ends in the middle (row 41)."""

from collections.abc import Iterator

import numpy as np
import pytest

from archimage.net.conversation import RemoteNode
from archimage.protocol import uids
from tests.attacks.server import Server, running, wait_until
from tests.printing.films import FILM_UID, film_box, image, modality

_MOST = 1 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that takes image boxes of 1 MiB."""
    with running(tmp_path_factory.mktemp("printing") / "data", settings={"print__max_image_bytes": _MOST}) as found:
        yield found


def _node(server: Server) -> RemoteNode:
    return RemoteNode("PACS_SCP", "127.0.0.1", server.port)


def test_an_image_box_beyond_the_limit_is_refused_and_the_session_goes_on(server: Server) -> None:
    before = server.footprint()
    with modality(_node(server)) as printing:
        printing.begin()
        _, boxes = printing.film()
        assert printing.put(boxes[0], 1, image(np.zeros((2_000, 2_000), np.uint8))) == 0xA700
        assert printing.put(boxes[0], 1, image(np.zeros((500, 500), np.uint8))) == 0
    server.check_answers(before)


def test_a_film_of_ten_thousand_boxes_is_refused(server: Server) -> None:
    before = server.footprint()
    with modality(_node(server)) as printing:
        printing.begin()
        for display_format in (r"STANDARD\100,100", "ROW\\" + ",".join(["100"] * 100), r"STANDARD\9999999999,1"):
            assert printing.film(display_format) == (0x0106, [])
        assert printing.film(r"STANDARD\10,10")[0] == 0
    server.check_answers(before)


def test_boxes_of_another_association_are_not_there(server: Server) -> None:
    with modality(_node(server)) as one, modality(_node(server)) as other:
        one.begin()
        _, boxes = one.film()
        assert other.put(boxes[0], 1, image(np.zeros((5, 5), np.uint8))) == 0x0112
        assert other.act(uids.BASIC_FILM_BOX, FILM_UID)[0] == 0x0112
        assert other.create(uids.BASIC_FILM_BOX, None, film_box(r"STANDARD\1,1"))[0] == 0x0106
        assert one.put(boxes[0], 1, image(np.zeros((5, 5), np.uint8))) == 0


def test_associations_that_end_in_the_middle_leave_no_file(server: Server) -> None:
    before = server.footprint()
    for _ in range(20):
        with modality(_node(server)) as printing:
            printing.begin()
            _, boxes = printing.film()
            printing.put(boxes[0], 1, image(np.zeros((900, 1_000), np.uint8)))
            printing.association.abort()
    assert wait_until(lambda: server.footprint().descriptors <= before.descriptors + 8, 20)
    assert list((server.directory / "print").iterdir()) == []
    server.check_answers(before)
