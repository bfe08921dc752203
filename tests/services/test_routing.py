"""What is routed, when, and what a crash, a failure or another process changes about it."""

import json

import pytest

from archimage.errors import NotFoundError
from archimage.model.projects import Purpose
from archimage.services.routing_work import NOTICE
from tests.services.parts import Parts
from tests.services.routing import STUDY, Site, rule


def site_of(parts: Parts, **settings: object) -> Site:
    """Return an archive with one rule, that has looked once."""
    site = Site(parts, rule(**settings))
    site.router.step()
    site.now += 60
    return site


def test_a_study_is_sent_once_nothing_of_it_came_for_a_while(parts: Parts) -> None:
    site = site_of(parts)
    site.store("1.1")
    site.passes(9)
    site.store("1.2")
    site.passes(9)
    assert not site.jobs.jobs
    site.passes(2)
    assert [job.title for job in site.jobs.jobs] == [f"one: study {STUDY}"]
    assert site.jobs.run() == []
    assert sorted(site.sink.uids) == ["1.1", "1.2"]


def test_what_comes_late_is_a_further_job_that_sends_nothing_twice(parts: Parts) -> None:
    site = site_of(parts)
    site.store("1.1", "1.2")
    site.passes(11)
    site.jobs.run()
    site.store("1.3")
    site.passes(5)
    assert len(site.jobs.jobs) == 1
    site.passes(6)
    site.jobs.run()
    assert len(site.jobs.jobs) == 2
    assert site.sink.uids == ["1.1", "1.2", "1.3"]
    (row,) = site.routed.find(rule="one", study=STUDY, state="done", limit=10)
    assert row.instances == 3


def test_rules_on_instances_gather_for_a_moment_and_send_what_matches(parts: Parts) -> None:
    site = site_of(parts, on="instance", when={"SOPInstanceUID": ["1.1", "1.2"]})
    site.store("1.1", "1.2", "1.3")
    site.passes(0.5, 0.1)
    assert len(site.jobs.jobs) == 1
    site.jobs.run()
    assert sorted(site.sink.uids) == ["1.1", "1.2"]


def test_a_rule_on_studies_is_met_by_one_object_and_acts_on_all(parts: Parts) -> None:
    site = site_of(parts, when={"Modality": "SR"})
    site.store("1.1", "1.2")
    site.passes(12)
    assert not site.jobs.jobs
    site.store("1.3", x00080060="SR", x0020000E="1.77")
    site.passes(12)
    site.jobs.run()
    assert sorted(site.sink.uids) == ["1.1", "1.2", "1.3"]


def test_what_the_index_has_not_is_read_from_the_file(parts: Parts) -> None:
    site = site_of(parts, when={"PixelRepresentation": '""', "Rows": "16"}, unless={"HighBit": "11"})
    site.store("1.1")
    site.passes(12)
    assert len(site.jobs.jobs) == 1
    site = site_of(parts, when={"HighBit": "11"})
    site.store("1.4", study="1.9")
    site.passes(12)
    assert not site.jobs.jobs


def test_what_another_process_stored_is_found(parts: Parts) -> None:
    site = site_of(parts)
    site.store("1.1", heard=False)
    site.passes(20)
    site.jobs.run()
    assert site.sink.uids == ["1.1"]


@pytest.mark.parametrize("on", ["study", "instance"])
def test_what_a_crash_has_lost_is_found_at_the_start(parts: Parts, on: str) -> None:
    site = site_of(parts, on=on)
    site.passes(10)
    site.store("1.1", "1.2")  # and killed before anything was looked at
    site.now += 3_600
    after = site.restarted()
    after.passes(12)
    after.jobs.run()
    assert sorted(after.sink.uids) == ["1.1", "1.2"]


def test_what_was_done_before_a_restart_is_not_done_again(parts: Parts) -> None:
    site = site_of(parts)
    site.store("1.1")
    site.passes(12)
    site.jobs.run()
    after = site.restarted()
    after.passes(60)
    after.jobs.run()
    assert after.sink.uids == ["1.1"]


def test_what_came_before_there_were_rules_stays(parts: Parts) -> None:
    before = Site(parts, rule().model_copy(update={"rule": ()}))
    before.router.step()
    before.store("1.1")
    before.now += 600
    before.router.step()
    before.restarted().router.step()
    site = Site(parts, rule(), before.now)
    site.passes(60)
    assert not site.jobs.jobs
    site.store("1.2", study="1.5")
    site.passes(12)
    site.jobs.run()
    assert site.sink.uids == ["1.2"]


def test_an_object_that_comes_while_its_study_is_sent_is_not_forgotten(parts: Parts) -> None:
    site = site_of(parts, on="instance")
    site.store("1.1")
    site.passes(0.5, 0.1)

    def meanwhile() -> None:  # after the job has looked for the last time, and before it has ended
        site.store("1.2")
        site.passes(1, 0.1)

    site.jobs.run(meanwhile)
    site.passes(2, 0.1)
    site.jobs.run()
    assert site.sink.uids == ["1.1", "1.2"]


def test_a_study_that_comes_again_after_it_was_removed_is_sent_again(parts: Parts) -> None:
    site = site_of(parts)
    site.store("1.1")
    site.passes(12)
    site.jobs.run()
    parts.index.remove(["1.1"])
    site.now += 100
    site.store("1.1")
    site.passes(12)
    site.jobs.run()
    assert site.sink.uids == ["1.1", "1.1"]


def test_what_is_refused_is_tried_again_alone_and_left_out_in_the_end(parts: Parts) -> None:
    site = site_of(parts)
    site.store("1.1", "1.2", "1.3")
    site.sink.refuses = {"1.2"}
    site.passes(12)
    for tries in range(3):
        (failure,) = site.jobs.run()
        assert "1 of" in str(failure)
        assert site.sink.uids.count("1.2") == tries + 1
    assert sorted(site.sink.uids) == ["1.1", "1.2", "1.2", "1.2", "1.3"]
    (row,) = site.routed.find(rule="one", study=STUDY, state="failed", limit=10)
    assert row.instances == 2
    assert "1.2" in row.error


def test_a_node_that_is_down_gets_all_of_it_later(parts: Parts) -> None:
    site = site_of(parts)
    site.store("1.1", "1.2")
    site.sink.is_down = True
    site.passes(12)
    assert len(site.jobs.run()) == 1
    (row,) = site.routed.find(rule="one", study=STUDY, state="failing", limit=10)
    assert "is down" in row.error
    site.sink.is_down = False
    assert site.jobs.run() == []
    assert sorted(site.sink.uids) == ["1.1", "1.2"]


def test_actions_are_done_in_their_order_and_those_that_were_done_not_again(parts: Parts) -> None:
    actions = ("label:first", "send:NODE", "plugin:sort", "notify:https://ris.example/hook", "label:last")
    site = site_of(parts, actions=actions)
    site.store("1.1")
    site.sink.is_down = True
    site.passes(12)
    site.jobs.run()
    assert list(site.labels.of(STUDY)) == ["first"]
    assert not site.deliveries.find(kind=NOTICE)
    site.labels.remove(STUDY, "first")
    site.sink.is_down = False
    assert site.jobs.run() == []
    assert list(site.labels.of(STUDY)) == ["last"]
    assert site.plugged == [("sort", STUDY, 1)]
    (notice,) = site.deliveries.find(kind=NOTICE)
    assert notice.destination == "https://ris.example/hook"
    told = json.loads(notice.payload)
    assert told["instances"] == 1
    assert told["study_instance_uid"] == STUDY
    assert "ATTACK" not in notice.payload  # nobody is told who it is about


def test_forms_hold_for_what_is_sent_after_them(parts: Parts) -> None:
    actions = ("send:PLAIN", "deidentify:TRIAL", "transcode:htj2k-lossless", "send:LATER", "stow:https://a.example/s")
    site = site_of(parts, actions=actions)
    site.store("1.1")
    site.passes(12)
    assert site.jobs.run() == []
    plain, later = (node for node, _ in site.sink.sent)
    assert (plain.deidentify, plain.transfer_syntax_uid) == ("", "")
    assert (later.deidentify, later.transfer_syntax_uid) == ("TRIAL", "1.2.840.10008.1.2.4.201")
    assert site.stowed == [("https://a.example/s", ("1.1",), Purpose("TRIAL"), "1.2.840.10008.1.2.4.201")]


def test_a_job_of_a_rule_that_is_gone_fails_for_good(parts: Parts) -> None:
    site = site_of(parts)
    site.store("1.1")
    site.passes(12)
    site.work.rules = ()
    (failure,) = site.jobs.run()
    assert isinstance(failure, NotFoundError)
