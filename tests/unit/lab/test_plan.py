"""The plan of a run: repeatable, evenly spread, and within its time."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from longwire.lab.plan import Cut, CutKind, Kill, Plan, make_plan


def plan_of(seed: int = 1, links: int = 100, **settings: float) -> Plan:
    return make_plan(seed=seed, duration_s=300, links=links, **settings)


def test_same_seed_gives_the_same_plan() -> None:
    assert plan_of() == plan_of()
    assert plan_of(seed=2) != plan_of()


def test_a_link_keeps_its_cuts_when_there_are_more_links() -> None:
    few = [cut for cut in plan_of(links=3).cuts if cut.link == 2]
    many = [cut for cut in plan_of(links=50).cuts if cut.link == 2]
    assert few == many


def test_events_stand_in_order_and_end_in_time() -> None:
    plan = plan_of(kill_every_s=10)
    assert all(first.at_s <= second.at_s for first, second in pairwise(plan.events))
    assert all(cut.at_s >= 0 and cut.at_s + cut.for_s <= 300 for cut in plan.cuts)


def test_links_are_cut_about_as_often_as_asked_and_never_while_cut() -> None:
    plan = plan_of(cut_every_s=15, cut_for_s=2)
    # 300 s, and 17 from the beginning of a cut to the next on average
    assert len(plan.cuts) / 100 == pytest.approx(300 / 17, rel=0.1)
    for link in range(100):
        cuts = [cut for cut in plan.cuts if cut.link == link]
        pauses = [later.at_s - earlier.at_s - 2 for earlier, later in pairwise(cuts)]
        assert all(7.5 <= pause_s <= 22.5 for pause_s in pauses)


def test_kinds_have_equal_parts() -> None:
    counts = Counter(cut.kind for cut in plan_of().cuts)
    assert set(counts) == set(CutKind)
    assert max(counts.values()) - min(counts.values()) <= 100  # one for each link


def test_only_kinds_that_were_asked_for() -> None:
    plan = make_plan(seed=1, duration_s=60, links=5, kinds=(CutKind.FIN,))
    assert {cut.kind for cut in plan.cuts} == {CutKind.FIN}


def test_servers_are_killed_in_turn() -> None:
    plan = make_plan(seed=1, duration_s=60, links=5, cut_every_s=0, servers=3, kill_every_s=10)
    assert plan.events == (Kill(10, 0), Kill(20, 1), Kill(30, 2), Kill(40, 0), Kill(50, 1))


@pytest.mark.parametrize("settings", [{"cut_every_s": 0}, {"cut_for_s": 0}])
def test_zero_means_never(settings: dict[str, float]) -> None:
    assert plan_of(**settings).events == ()


def test_cuts_carry_their_lengths() -> None:
    cut = plan_of(links=1, cut_for_s=3, blind_s=0.5).events[0]
    assert isinstance(cut, Cut)
    assert (cut.for_s, cut.blind_s) == (3, 0.5)
