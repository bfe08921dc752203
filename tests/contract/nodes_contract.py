"""What every adapter of `ports.peer.Nodes` does; a test module derives from NodesContract and gives it empty nodes."""

from dataclasses import replace

from archimage.model.nodes import Node
from archimage.ports.peer import Nodes

ONE = Node("ONE", "192.0.2.1", 104, "the first", created_at=10.0, changed_at=10.0)
TWO = Node(
    "TWO",
    "2001:db8::2",
    11112,
    tls=True,
    created_at=20.0,
    changed_at=20.0,
    deidentify="trial",
    deidentify_options=("retain-uids", "clean-graphics"),
)


class NodesContract:
    """The tests."""

    def test_what_was_added_is_found(self, nodes: Nodes) -> None:
        assert nodes.add(TWO)
        assert nodes.add(ONE)
        assert list(nodes.all()) == [ONE, TWO]
        assert (nodes.get("ONE"), nodes.get("TWO"), nodes.count()) == (ONE, TWO, 2)

    def test_nothing_is_there_at_first(self, nodes: Nodes) -> None:
        assert (list(nodes.all()), nodes.get("ONE"), nodes.count()) == ([], None, 0)

    def test_an_ae_title_is_kept_once_and_the_first_stays(self, nodes: Nodes) -> None:
        assert nodes.add(ONE)
        assert not nodes.add(replace(ONE, host="other"))
        assert list(nodes.all()) == [ONE]

    def test_ae_titles_that_differ_in_case_are_two(self, nodes: Nodes) -> None:
        assert nodes.add(ONE)
        assert nodes.add(replace(ONE, ae_title="one"))
        assert nodes.get("One") is None

    def test_a_change_keeps_when_it_was_created(self, nodes: Nodes) -> None:
        nodes.add(ONE)
        changed = replace(ONE, host="elsewhere", port=4242, description="", created_at=99.0, changed_at=99.0)
        assert nodes.change("ONE", changed)
        assert nodes.get("ONE") == replace(changed, created_at=10.0)

    def test_a_change_may_rename_but_not_onto_another(self, nodes: Nodes) -> None:
        nodes.add(ONE)
        nodes.add(TWO)
        assert not nodes.change("ONE", replace(ONE, ae_title="TWO"))
        assert list(nodes.all()) == [ONE, TWO]
        assert nodes.change("ONE", replace(ONE, ae_title="THREE"))
        assert [node.ae_title for node in nodes.all()] == ["THREE", "TWO"]

    def test_what_is_not_there_is_neither_changed_nor_removed(self, nodes: Nodes) -> None:
        assert not nodes.change("ONE", ONE)
        assert not nodes.remove("ONE")
        assert nodes.count() == 0

    def test_what_was_removed_is_gone_and_may_come_again(self, nodes: Nodes) -> None:
        nodes.add(ONE)
        nodes.add(TWO)
        assert nodes.remove("ONE")
        assert list(nodes.all()) == [TWO]
        assert nodes.add(ONE)

    def test_what_no_database_takes_is_cleaned(self, nodes: Nodes) -> None:
        assert nodes.add(replace(ONE, description="a\0b\ud800"))
        assert nodes.all()[0].description == "ab?"
