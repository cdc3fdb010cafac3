"""Writes to streams that are conditional on what the client knows (RFC 9110 section 13)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from longwire import App
from longwire.base.limits import DurableLimits
from longwire.server.settings import AnonymousSettings, Settings, StoreSettings
from tests.integration.server.app_servers import serve_app

EVERYTHING = ("**",)
TEXT = {"Content-Type": "text/plain"}
PLAIN = {"Accept-Encoding": "identity"}
OTHER = '"0000000000000007_aaaaaaaa0000000000000000"'

ROWS: list[tuple[dict[str, str], int]] = [
    ({"If-Match": "*"}, 204),
    ({"If-Match": "{tag}"}, 204),
    ({"If-Match": "{other}, {tag}"}, 204),
    ({"If-Match": "{other}"}, 412),
    ({"If-Match": "W/{tag}"}, 412),
    ({"If-Match": '"nonsense"'}, 412),
    ({"If-Match": "nonsense"}, 412),
    ({"If-Match": ""}, 412),
    ({"If-None-Match": "*"}, 412),
    ({"If-None-Match": "{tag}"}, 412),
    ({"If-None-Match": "W/{tag}"}, 412),
    ({"If-None-Match": "{other}"}, 204),
    ({"If-Match": "{tag}", "If-None-Match": "{other}"}, 204),
    ({"If-Match": "{tag}", "If-None-Match": "{tag}"}, 412),
    ({"If-Unmodified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"}, 204),
]
"""Conditions of an append to a stream with the tag ``tag``, and what comes of it."""


@pytest.fixture(params=["memory", "sqlite"])
async def http(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    store = "memory" if request.param == "memory" else f"sqlite:{tmp_path / 'streams.db'}"
    settings = Settings(
        anonymous=AnonymousSettings(read=EVERYTHING, publish=EVERYTHING, manage=EVERYTHING),
        store=StoreSettings(url=store),
        durable=DurableLimits(page_entries_max=2),
    )
    async with (
        serve_app(App(settings=settings), "longwire") as url,
        httpx.AsyncClient(base_url=f"{url}/streams", headers=TEXT | PLAIN) as client,
    ):
        yield client


async def append(http: httpx.AsyncClient, text: str, **conditions: str) -> httpx.Response:
    fields = {name.replace("_", "-"): value for name, value in conditions.items()}
    return await http.post("/s", content=text, headers=fields)


async def text_of(http: httpx.AsyncClient) -> str:
    return (await http.get("/s?offset=-1")).text


async def test_append_follows_the_tail_that_its_client_knows(http: httpx.AsyncClient) -> None:
    known = (await http.put("/s")).headers["ETag"]
    first = await append(http, "a", If_Match=known)
    assert first.status_code == 204
    assert first.headers["ETag"] == f'"{first.headers["Stream-Next-Offset"]}"'
    late = await append(http, "b", If_Match=known)
    assert late.status_code == 412
    assert late.json()["code"] == "tail_moved"
    assert late.headers["Stream-Next-Offset"] == first.headers["Stream-Next-Offset"]
    assert late.headers["Cache-Control"] == "no-store"
    assert (await http.head("/s")).headers["ETag"] == first.headers["ETag"]
    assert (await append(http, "b", If_Match=first.headers["ETag"])).status_code == 204
    assert await text_of(http) == "ab"


async def test_of_many_who_know_the_same_tail_one_appends(http: httpx.AsyncClient) -> None:
    tag = (await http.put("/s")).headers["ETag"]
    answers = await asyncio.gather(*(append(http, str(n), If_Match=tag) for n in range(8)))
    assert sorted(answer.status_code for answer in answers) == [204, *[412] * 7]
    assert len(await text_of(http)) == 1


async def test_tag_of_a_page_counts_if_it_ends_at_the_tail(http: httpx.AsyncClient) -> None:
    await http.put("/s")
    for text in "abc":
        await append(http, text)
    first = await http.get("/s?offset=-1")
    last = await http.get("/s", params={"offset": first.headers["Stream-Next-Offset"]})
    assert (await append(http, "x", If_Match=first.headers["ETag"])).status_code == 412
    assert (await append(http, "d", If_Match=last.headers["ETag"])).status_code == 204
    assert (await append(http, "x", If_Match=last.headers["ETag"])).status_code == 412


async def test_rows_of_conditions(http: httpx.AsyncClient) -> None:
    for number, (conditions, status) in enumerate(ROWS):
        stream = f"/{number}"
        tag = (await http.put(stream, content="a")).headers["ETag"]
        filled = {name: text.format(tag=tag, other=OTHER) for name, text in conditions.items()}
        answer = await http.post(stream, content="b", headers=filled)
        assert answer.status_code == status, conditions
        held = (await http.get(f"{stream}?offset=-1")).text
        assert held == ("ab" if status == 204 else "a"), conditions


async def test_conditions_count_only_if_nothing_else_is_in_the_way(
    http: httpx.AsyncClient,
) -> None:
    assert (await append(http, "a", If_Match=OTHER)).status_code == 404
    await http.put("/s", content="a")
    tag = (await http.head("/s")).headers["ETag"]
    wrong = {"Content-Type": "text/csv", "If-Match": OTHER}
    assert (await http.post("/s", content="b", headers=wrong)).status_code == 409
    stamp = {"Producer_Id": "p", "Producer_Epoch": "0", "Producer_Seq": "0", "If_Match": tag}
    assert (await append(http, "b", **stamp)).status_code == 200
    # RFC 9110 section 13.1.1: that what is asked for has happened already is no failure.
    assert (await append(http, "b", **stamp)).status_code == 204
    assert (await append(http, "", Stream_Closed="true")).status_code == 204
    assert (await append(http, "c", If_Match=OTHER)).status_code == 409
    assert await text_of(http) == "ab"


async def test_closing_is_conditional_as_appending_is(http: httpx.AsyncClient) -> None:
    await http.put("/s", content="a")
    tag = (await http.head("/s")).headers["ETag"]
    assert (await append(http, "", If_Match=OTHER, Stream_Closed="true")).status_code == 412
    closed = await append(http, "", If_Match=tag, Stream_Closed="true")
    assert closed.status_code == 204
    assert closed.headers["ETag"] != tag
    assert (await http.head("/s")).headers["ETag"] == closed.headers["ETag"]


async def test_creating_only_what_is_not_there(http: httpx.AsyncClient) -> None:
    new = {"If-None-Match": "*"}
    answers = await asyncio.gather(*(http.put("/s", headers=new) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201, *[412] * 7]
    assert answers[-1].headers["Content-Type"].startswith("application/problem+json")
    assert (await http.put("/s")).status_code == 200
    other = {"Content-Type": "text/csv"}
    assert (await http.put("/s", headers=new | other)).status_code == 409
    assert (await http.put("/none", headers={"If-Match": "*"})).status_code == 412
    assert (await http.head("/none")).status_code == 404
    assert (await http.put("/s", headers={"If-Match": "*"})).status_code == 200


async def test_deleting_only_what_is_as_it_is_known(http: httpx.AsyncClient) -> None:
    assert (await http.delete("/s", headers={"If-Match": "*"})).status_code == 404
    tag = (await http.put("/s")).headers["ETag"]
    known = (await append(http, "a")).headers["ETag"]
    assert (await http.delete("/s", headers={"If-Match": tag})).status_code == 412
    assert (await http.delete("/s", headers={"If-None-Match": "*"})).status_code == 412
    assert await text_of(http) == "a"
    assert (await append(http, "b", If_Match=known)).status_code == 204
    page = await http.get("/s?offset=-1")
    assert (await http.delete("/s", headers={"If-Match": page.headers["ETag"]})).status_code == 204
    assert (await http.head("/s")).status_code == 404


async def test_a_stream_that_grows_while_it_is_deleted_loses_nothing_unseen(
    http: httpx.AsyncClient,
) -> None:
    for _ in range(10):
        tag = (await http.put("/s")).headers["ETag"]
        deleted, appended = await asyncio.gather(
            http.delete("/s", headers={"If-Match": tag}), append(http, "a")
        )
        if appended.status_code == 204:
            assert deleted.status_code == 412
            await http.delete("/s")
        else:
            assert (deleted.status_code, appended.status_code) in {(204, 404), (204, 409)}


async def test_question_whether_a_stream_has_grown(http: httpx.AsyncClient) -> None:
    tag = (await http.put("/s")).headers["ETag"]
    unchanged = await http.head("/s", headers={"If-None-Match": tag})
    assert (unchanged.status_code, unchanged.headers["ETag"]) == (304, tag)
    await append(http, "a")
    assert (await http.head("/s", headers={"If-None-Match": tag})).status_code == 200
    assert (await http.head("/s", headers={"If-Match": tag})).status_code == 412
