"""What a private cache may keep and give (RFC 9111), row by row."""

from __future__ import annotations

import pytest

from longwire.base.dates import http_date
from longwire.base.headers import Headers
from longwire.http.caching import (
    StoredResponse,
    directives,
    freshen,
    is_fresh,
    is_storable,
    matches,
    validation_fields,
    wants_validation,
)

NOW_S = 784111777
DATE = http_date(NOW_S)
LATER, EARLIER = http_date(NOW_S + 60), http_date(NOW_S - 60)
NOTHING = Headers()


def stored(
    *fields: tuple[str, str], status: int = 200, request: Headers = NOTHING, delay_s: float = 0
) -> StoredResponse:
    return StoredResponse(request, status, Headers(fields), b"x", NOW_S - delay_s, NOW_S)


@pytest.mark.parametrize(
    ("fields", "lifetime_s"),
    [
        ([("Cache-Control", "max-age=60")], 60),
        ([("Cache-Control", "private, Max-Age=60, immutable")], 60),
        ([("Cache-Control", 'max-age="60"')], 60),
        ([("Cache-Control", "max-age=060")], 60),
        ([("Cache-Control", "max-age=" + "9" * 400)], 2**31),
        # 4.2.1: of two the first, and what is no number is stale.
        ([("Cache-Control", "max-age=60, max-age=5")], 60),
        ([("Cache-Control", "max-age=60"), ("Cache-Control", "max-age=5")], 60),
        ([("Cache-Control", "max-age=-1")], 0),
        ([("Cache-Control", "max-age=1.5")], 0),
        ([("Cache-Control", "max-age")], 0),
        # s-maxage is for caches that are shared.
        ([("Cache-Control", "s-maxage=60")], 0),
        # Expires is the fallback.
        ([("Date", DATE), ("Expires", LATER)], 60),
        ([("Expires", LATER)], 60),
        ([("Date", EARLIER), ("Expires", LATER)], 120),
        ([("Date", DATE), ("Expires", EARLIER)], 0),
        ([("Expires", "0")], 0),
        ([("Cache-Control", "max-age=5"), ("Expires", LATER)], 5),
        ([("Cache-Control", "public"), ("Expires", LATER)], 60),
        # 4.2.2: no guessing.
        ([("Last-Modified", EARLIER)], 0),
        ([("ETag", '"v1"')], 0),
        ([], 0),
    ],
)
def test_9111_4_2_1_lifetime(fields: list[tuple[str, str]], lifetime_s: float) -> None:
    assert stored(*fields).lifetime_s() == lifetime_s


@pytest.mark.parametrize(
    ("fields", "delay_s", "age_s"),
    [
        ([], 0, 10),
        ([("Date", DATE)], 0, 10),
        ([("Date", EARLIER)], 0, 70),
        # A clock that is ahead makes nothing younger than it is.
        ([("Date", LATER)], 0, 10),
        ([("Date", DATE), ("Age", "30")], 0, 40),
        ([("Date", DATE), ("Age", "30")], 5, 45),
        ([("Date", EARLIER), ("Age", "30")], 5, 70),
        ([("Age", "soon")], 0, 10),
        ([], 5, 15),
    ],
)
def test_9111_4_2_3_age(fields: list[tuple[str, str]], delay_s: float, age_s: float) -> None:
    assert stored(*fields, delay_s=delay_s).age_s(NOW_S + 10) == age_s


@pytest.mark.parametrize(
    ("response", "request_cc", "after_s", "expected"),
    [
        ("max-age=60", "", 59, True),
        ("max-age=60", "", 60, False),
        ("max-age=60, must-revalidate", "", 59, True),
        ("no-cache, max-age=60", "", 0, False),
        ('no-cache="Set-Cookie", max-age=60', "", 0, False),
        ("max-age=60", "no-cache", 0, False),
        ("max-age=60", "max-age=10", 10, True),
        ("max-age=60", "max-age=10", 11, False),
        ("max-age=60", "max-age=0", 1, False),
        ("max-age=60", "min-fresh=30", 29, True),
        ("max-age=60", "min-fresh=30", 30, False),
        # Nothing stale is given, whatever the request would take.
        ("max-age=60", "max-stale", 61, False),
        ("", "", 0, False),
    ],
)
def test_9111_4_2_freshness(response: str, request_cc: str, after_s: int, expected: bool) -> None:
    kept = stored(("Cache-Control", response), ("ETag", '"v1"'))
    request = Headers({"Cache-Control": request_cc} if request_cc else {})
    assert is_fresh(kept, request, NOW_S + after_s) is expected


def test_9111_5_4_pragma_counts_where_there_is_no_cache_control() -> None:
    assert wants_validation(Headers({"Pragma": "no-cache"}))
    assert not wants_validation(Headers({"Pragma": "no-cache", "Cache-Control": "max-age=5"}))


@pytest.mark.parametrize(
    ("method", "status", "response", "request_cc", "expected"),
    [
        ("GET", 200, {"Cache-Control": "max-age=5"}, "", True),
        ("GET", 200, {"Cache-Control": "private, max-age=5"}, "", True),
        ("GET", 204, {"Cache-Control": "max-age=5"}, "", True),
        ("GET", 403, {"Cache-Control": "max-age=5"}, "", True),
        ("GET", 404, {"Cache-Control": "max-age=5"}, "", True),
        ("GET", 200, {"ETag": '"v1"'}, "", True),
        ("GET", 200, {"Cache-Control": "no-cache", "Last-Modified": DATE}, "", True),
        # Neither fresh for a moment nor to be asked about.
        ("GET", 200, {}, "", False),
        ("GET", 200, {"Cache-Control": "max-age=0"}, "", False),
        ("GET", 200, {"Cache-Control": "no-store, max-age=5"}, "", False),
        ("GET", 200, {"Cache-Control": "max-age=5"}, "no-store", False),
        ("GET", 200, {"Cache-Control": "max-age=5", "Vary": "*"}, "", False),
        ("GET", 206, {"Cache-Control": "max-age=5"}, "", False),
        ("GET", 500, {"Cache-Control": "max-age=5"}, "", False),
        ("HEAD", 200, {"Cache-Control": "max-age=5"}, "", False),
        ("POST", 200, {"Cache-Control": "max-age=5"}, "", False),
    ],
)
def test_9111_3_what_is_kept(
    method: str, status: int, response: dict[str, str], request_cc: str, expected: bool
) -> None:
    request = Headers({"Cache-Control": request_cc} if request_cc else {})
    assert is_storable(method, request, stored(*response.items(), status=status)) is expected


@pytest.mark.parametrize(
    ("vary", "first", "second", "expected"),
    [
        (None, {}, {}, True),
        (None, {"Accept": "a/b"}, {"Accept": "c/d"}, True),
        ("Accept", {"Accept": "a/b"}, {"accept": "a/b"}, True),
        ("Accept", {"Accept": "a/b, c/d"}, {"Accept": " a/b ,c/d"}, True),
        ("Accept", {"Accept": "a/b"}, {"Accept": "c/d"}, False),
        ("Accept", {"Accept": "a/b"}, {}, False),
        ("Accept", {}, {}, True),
        ("accept, X-Who", {"Accept": "a/b", "X-Who": "1"}, {"Accept": "a/b"}, False),
        # What one person got is for no other, though the server forgot to say so.
        (None, {"Cookie": "a"}, {"Cookie": "b"}, False),
        (None, {"Authorization": "Bearer a"}, {}, False),
    ],
)
def test_9111_4_1_selection(
    vary: str | None, first: dict[str, str], second: dict[str, str], expected: bool
) -> None:
    fields = [] if vary is None else [("Vary", vary)]
    assert matches(stored(*fields, request=Headers(first)), Headers(second)) is expected


def test_9111_4_3_1_both_validators_are_sent() -> None:
    kept = stored(("ETag", 'W/"v1"'), ("Last-Modified", DATE))
    assert validation_fields(kept) == {"If-None-Match": 'W/"v1"', "If-Modified-Since": DATE}
    assert validation_fields(stored(("Last-Modified", "long ago"))) == {}


@pytest.mark.parametrize(
    ("kept", "told", "holds"),
    [
        ('"v1"', '"v1"', True),
        ('"v1"', '"v2"', False),
        (None, '"v2"', False),
        ('W/"v1"', '"v1"', False),
        ('W/"v1"', 'W/"v1"', True),
        ('"v1"', 'W/"v1"', True),
        ('"v1"', 'W/"v2"', False),
        ('"v1"', None, True),
        (None, None, True),
    ],
)
def test_9111_4_3_4_which_version_a_304_is_of(
    kept: str | None, told: str | None, holds: bool
) -> None:
    response = stored(*([] if kept is None else [("ETag", kept)]))
    answer = Headers({} if told is None else {"ETag": told})
    assert (freshen(response, answer, NOW_S, NOW_S) is not None) is holds


def test_9111_3_2_304_updates_what_it_says_and_nothing_of_the_body() -> None:
    kept = stored(
        ("Cache-Control", "max-age=5"),
        ("Age", "3"),
        ("X-Kept", "1"),
        ("Content-Type", "text/plain"),
        ("ETag", '"v1"'),
    )
    answer = Headers(
        [
            ("Cache-Control", "max-age=9"),
            ("Date", LATER),
            ("Content-Type", "text/html"),
            ("Content-Length", "0"),
            ("Connection", "close, x-hop"),
            ("X-Hop", "1"),
            ("X-Two", "a"),
            ("X-Two", "b"),
        ]
    )
    fresh = freshen(kept, answer, NOW_S + 60, NOW_S + 60)
    assert fresh is not None
    assert fresh.body == b"x" and fresh.age_s(NOW_S + 61) == 1
    assert sorted(fresh.headers) == sorted(
        [
            ("X-Kept", "1"),
            ("Content-Type", "text/plain"),
            ("ETag", '"v1"'),
            ("Cache-Control", "max-age=9"),
            ("Date", LATER),
            ("X-Two", "a"),
            ("X-Two", "b"),
        ]
    )


def test_directives_are_read_in_any_case() -> None:
    headers = Headers([("Cache-Control", "No-Store ,, max-age = 5"), ("cache-control", "private")])
    assert directives(headers) == {"no-store": "", "max-age": "5", "private": ""}
