"""What is counted of requests, and in which bucket."""

from __future__ import annotations

from itertools import pairwise

from longwire.server.request_counts import BOUNDS_S, RequestCounts


def test_a_duration_counts_for_the_first_bound_that_it_does_not_pass() -> None:
    for index, (bound_s, next_s) in enumerate(pairwise(BOUNDS_S)):
        counts = RequestCounts()
        counts.add("GET", 200, bound_s, False)
        counts.add("GET", 200, (bound_s + next_s) / 2, False)
        assert [counts.buckets[index], counts.buckets[index + 1]] == [1, 1]
        assert sum(counts.buckets) == 2
    counts.add("GET", 200, BOUNDS_S[-1] + 1, False)
    assert counts.buckets[-1] == 1


def test_streams_have_no_duration_and_unknown_methods_one_name() -> None:
    counts = RequestCounts()
    counts.add("GET", 200, 3600.0, True)
    counts.add("BREW", 405, 0.5, False)
    counts.add("PROPFIND", 405, 0.25, False)
    assert counts.by_outcome == {("GET", 200): 1, ("other", 405): 2}
    assert sum(counts.buckets) == 2
    assert counts.duration_s == 0.75
