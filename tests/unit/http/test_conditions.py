"""Conditional requests, row by row (RFC 9110 section 13).

The table of section 13.2.2 stands here as the RFC has it: for each step the rows that make it
true, false or void, and then what may not stand in front of what.
"""

from __future__ import annotations

import itertools

import pytest

from longwire.base.dates import http_date
from longwire.base.headers import Headers
from longwire.http.conditions import Outcome, Validators, evaluate, is_range_of, weaken

MODIFIED_S = 784111777
BEFORE, SAME, AFTER = (http_date(MODIFIED_S + delta) for delta in (-1, 0, 1))
STRONG = Validators('"v1"', MODIFIED_S)
WEAK = Validators('W/"v1"', MODIFIED_S)
TAG_ONLY = Validators('"v1"')
DATE_ONLY = Validators(None, MODIFIED_S)
NOTHING = Validators()

GO, KNOWN, FAILED = Outcome.PERFORM, Outcome.NOT_MODIFIED, Outcome.FAILED

# (step of 13.2.2, request fields, validators, outcome for GET and HEAD, outcome for PUT)
ROWS: list[tuple[str, dict[str, str], Validators, Outcome, Outcome]] = [
    ("no conditions", {}, STRONG, GO, GO),
    # Step 1: If-Match (13.1.1), by strong comparison.
    ("1 any", {"If-Match": "*"}, STRONG, GO, GO),
    ("1 any, no validator", {"If-Match": "*"}, NOTHING, GO, GO),
    ("1 same", {"If-Match": '"v1"'}, STRONG, GO, GO),
    ("1 in a list", {"If-Match": '"v0", "v1"'}, STRONG, GO, GO),
    ("1 other", {"If-Match": '"v2"'}, STRONG, FAILED, FAILED),
    ("1 weak in the request", {"If-Match": 'W/"v1"'}, STRONG, FAILED, FAILED),
    ("1 weak here", {"If-Match": '"v1"'}, WEAK, FAILED, FAILED),
    ("1 weak on both sides", {"If-Match": 'W/"v1"'}, WEAK, FAILED, FAILED),
    ("1 no tag here", {"If-Match": '"v1"'}, DATE_ONLY, FAILED, FAILED),
    ("1 malformed", {"If-Match": "v1"}, STRONG, FAILED, FAILED),
    ("1 empty", {"If-Match": ""}, STRONG, FAILED, FAILED),
    # Step 2: If-Unmodified-Since (13.1.4), only without If-Match.
    ("2 later", {"If-Unmodified-Since": AFTER}, STRONG, GO, GO),
    ("2 same", {"If-Unmodified-Since": SAME}, STRONG, GO, GO),
    ("2 earlier", {"If-Unmodified-Since": BEFORE}, STRONG, FAILED, FAILED),
    ("2 no date here", {"If-Unmodified-Since": BEFORE}, TAG_ONLY, GO, GO),
    ("2 no date there", {"If-Unmodified-Since": "yesterday"}, STRONG, GO, GO),
    (
        "1 beats 2, true",
        {"If-Match": '"v1"', "If-Unmodified-Since": BEFORE},
        STRONG,
        GO,
        GO,
    ),
    (
        "1 beats 2, false",
        {"If-Match": '"v2"', "If-Unmodified-Since": AFTER},
        STRONG,
        FAILED,
        FAILED,
    ),
    # Step 3: If-None-Match (13.1.2), by weak comparison; 304 for GET and HEAD, else 412.
    ("3 any", {"If-None-Match": "*"}, STRONG, KNOWN, FAILED),
    ("3 any, no validator", {"If-None-Match": "*"}, NOTHING, KNOWN, FAILED),
    ("3 same", {"If-None-Match": '"v1"'}, STRONG, KNOWN, FAILED),
    ("3 in a list", {"If-None-Match": '"a" , W/"v1","b"'}, STRONG, KNOWN, FAILED),
    ("3 weak in the request", {"If-None-Match": 'W/"v1"'}, STRONG, KNOWN, FAILED),
    ("3 weak here", {"If-None-Match": '"v1"'}, WEAK, KNOWN, FAILED),
    ("3 other", {"If-None-Match": '"v2"'}, STRONG, GO, GO),
    ("3 no tag here", {"If-None-Match": '"v1"'}, DATE_ONLY, GO, GO),
    ("3 malformed", {"If-None-Match": "v1"}, STRONG, GO, GO),
    ("3 part of a tag", {"If-None-Match": '"v"'}, STRONG, GO, GO),
    ("3 case counts", {"If-None-Match": '"V1"'}, STRONG, GO, GO),
    ("3 w/ in lower case is no tag", {"If-None-Match": 'w/"v1"'}, STRONG, GO, GO),
    # Step 4: If-Modified-Since (13.1.3), only without If-None-Match, only for GET and HEAD.
    ("4 later", {"If-Modified-Since": AFTER}, STRONG, KNOWN, GO),
    ("4 same", {"If-Modified-Since": SAME}, STRONG, KNOWN, GO),
    ("4 earlier", {"If-Modified-Since": BEFORE}, STRONG, GO, GO),
    ("4 no date here", {"If-Modified-Since": AFTER}, TAG_ONLY, GO, GO),
    ("4 no date there", {"If-Modified-Since": "yesterday"}, STRONG, GO, GO),
    (
        "3 beats 4, same tag",
        {"If-None-Match": '"v1"', "If-Modified-Since": BEFORE},
        STRONG,
        KNOWN,
        FAILED,
    ),
    (
        "3 beats 4, other tag",
        {"If-None-Match": '"v2"', "If-Modified-Since": AFTER},
        STRONG,
        GO,
        GO,
    ),
    # Steps 1 and 2 come before 3 and 4, and go on to them when they hold.
    ("1 true, 3 same", {"If-Match": '"v1"', "If-None-Match": '"v1"'}, STRONG, KNOWN, FAILED),
    ("1 false, 3 same", {"If-Match": '"v2"', "If-None-Match": '"v1"'}, STRONG, FAILED, FAILED),
    ("1 true, 4 later", {"If-Match": "*", "If-Modified-Since": AFTER}, STRONG, KNOWN, GO),
    (
        "2 true, 3 same",
        {"If-Unmodified-Since": AFTER, "If-None-Match": '"v1"'},
        STRONG,
        KNOWN,
        FAILED,
    ),
    (
        "2 false, 3 same",
        {"If-Unmodified-Since": BEFORE, "If-None-Match": '"v1"'},
        STRONG,
        FAILED,
        FAILED,
    ),
    (
        "2 false, 4 later",
        {"If-Unmodified-Since": BEFORE, "If-Modified-Since": AFTER},
        STRONG,
        FAILED,
        FAILED,
    ),
]


@pytest.mark.parametrize(
    ("fields", "validators", "of_get", "of_put"),
    [row[1:] for row in ROWS],
    ids=[row[0] for row in ROWS],
)
def test_9110_13_2_2_row(
    fields: dict[str, str], validators: Validators, of_get: Outcome, of_put: Outcome
) -> None:
    # The order in which the fields stand in the request does not matter.
    for order in itertools.permutations(fields.items()):
        request = Headers(order)
        assert evaluate("GET", request, validators) is of_get
        assert evaluate("HEAD", request, validators) is of_get
        for method in ("PUT", "POST", "PATCH", "DELETE"):
            assert evaluate(method, request, validators) is of_put


@pytest.mark.parametrize(
    ("field", "value", "outcome"),
    [
        ("If-Match", "*", FAILED),
        ("If-Match", '"v1"', FAILED),
        ("If-None-Match", "*", GO),
        ("If-None-Match", '"v1"', GO),
        ("If-Unmodified-Since", BEFORE, GO),
    ],
)
def test_9110_13_1_nothing_there_yet(field: str, value: str, outcome: Outcome) -> None:
    assert evaluate("PUT", Headers({field: value}), NOTHING, exists=False) is outcome


def test_9110_5_3_tags_may_stand_in_several_fields() -> None:
    request = Headers([("If-None-Match", '"v0"'), ("if-none-match", '"v1"')])
    assert evaluate("GET", request, STRONG) is KNOWN


def test_9110_13_1_3_two_dates_are_no_date() -> None:
    request = Headers([("If-Modified-Since", AFTER), ("If-Modified-Since", AFTER)])
    assert evaluate("GET", request, STRONG) is GO


@pytest.mark.parametrize("tag", ['"a,b"', '"a\\"', '""', '"\xe9"', '"W/x"'])
def test_9110_8_8_3_any_tag_is_compared_as_it_is(tag: str) -> None:
    request = Headers({"If-None-Match": f'"x",{tag}'})
    assert evaluate("GET", request, Validators(tag)) is KNOWN
    assert evaluate("GET", Headers({"If-None-Match": '"x"'}), Validators(tag)) is GO


LATER_S = MODIFIED_S + 3600


@pytest.mark.parametrize(
    ("condition", "validators", "sent_s", "holds"),
    [
        # Step 5: If-Range (13.1.5), by strong comparison, or by exactly the same date.
        ('"v1"', STRONG, LATER_S, True),
        ('"v2"', STRONG, LATER_S, False),
        ('W/"v1"', STRONG, LATER_S, False),
        ('"v1"', WEAK, LATER_S, False),
        ('W/"v1"', WEAK, LATER_S, False),
        ('"v1", "v2"', STRONG, LATER_S, False),
        ("*", STRONG, LATER_S, False),
        ('"v1"', DATE_ONLY, LATER_S, False),
        (SAME, STRONG, LATER_S, True),
        (BEFORE, STRONG, LATER_S, False),
        (AFTER, STRONG, LATER_S, False),
        (SAME, TAG_ONLY, LATER_S, False),
        # 8.8.2.2: within the same minute the date may be of several versions.
        (SAME, STRONG, MODIFIED_S + 59, False),
        (SAME, STRONG, MODIFIED_S + 60, True),
        (SAME, STRONG, None, False),
        ("yesterday", STRONG, LATER_S, False),
        ("", STRONG, LATER_S, False),
    ],
)
def test_9110_13_1_5_row(
    condition: str, validators: Validators, sent_s: float | None, holds: bool
) -> None:
    assert is_range_of(Headers({"If-Range": condition}), validators, sent_s) is holds


def test_without_if_range_every_range_is_meant() -> None:
    assert is_range_of(Headers(), NOTHING, None)


def test_validators_are_those_of_the_response() -> None:
    response = Headers({"etag": ' "v1" ', "last-modified": SAME})
    assert Validators.of(response) == STRONG
    assert Validators.of(Headers({"Last-Modified": "long ago"})) == NOTHING


def test_tag_is_weakened_once() -> None:
    assert weaken('"a"') == 'W/"a"' == weaken(weaken('"a"'))
