"""Texts that all nodes share: the same for whoever asks, and the first of those who keep one at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from archimage.errors import InvalidRequestError, StorageError
from archimage.index.kept import OF_PROJECT, POLICY, KeptPolicy, KeptSecrets, KeptTexts
from archimage.index.relational import RelationalIndex
from archimage.model.projects import SECRET_BYTES


def test_a_text_is_kept_and_replaced(index: RelationalIndex) -> None:
    texts = KeptTexts(index)
    assert texts.get("a") is None
    texts.put("a", "one")
    texts.put("b", "other")
    texts.put("a", "two\nlines, größer")
    assert (texts.get("a"), texts.get("b")) == ("two\nlines, größer", "other")


def test_the_first_stays_where_it_is_kept_once(index: RelationalIndex) -> None:
    texts = KeptTexts(index)
    assert texts.once("a", "one") == "one"
    assert texts.once("a", "two") == "one"
    with ThreadPoolExecutor(8) as threads:
        kept = set(threads.map(lambda number: KeptTexts(index).once("b", str(number)), range(16)))
    assert kept == {texts.get("b")}


def test_a_policy_is_begun_with_once(index: RelationalIndex) -> None:
    policy = KeptPolicy(KeptTexts(index))
    assert policy.read() is None
    policy.begin_with("first")
    policy.begin_with("second")
    assert policy.read() == "first"
    policy.write("third")
    assert policy.read() == KeptTexts(index).get(POLICY) == "third"


def test_all_nodes_have_one_secret_of_a_project(index: RelationalIndex) -> None:
    nodes = [KeptSecrets(KeptTexts(index), lambda _project: None) for _ in range(3)]
    (secret,) = {node.secret_of("trial-1") for node in nodes}
    assert len(secret) == SECRET_BYTES
    assert nodes[0].secret_of("trial-2") != secret


def test_a_secret_that_a_node_had_is_that_of_all(index: RelationalIndex) -> None:
    old = bytes(range(SECRET_BYTES))
    had = KeptSecrets(KeptTexts(index), lambda _project: old)
    assert had.secret_of("trial-1") == old
    assert KeptSecrets(KeptTexts(index), lambda _project: None).secret_of("trial-1") == old


def test_a_damaged_secret_makes_no_pseudonyms(index: RelationalIndex) -> None:
    texts = KeptTexts(index)
    kept = KeptSecrets(texts, lambda _project: None)
    for damaged in ("", "zz", "00"):
        texts.put(f"{OF_PROJECT}trial-1", damaged)
        with pytest.raises(StorageError, match="no secret of project trial-1"):
            kept.secret_of("trial-1")
    with pytest.raises(InvalidRequestError):
        kept.secret_of("../elsewhere")
