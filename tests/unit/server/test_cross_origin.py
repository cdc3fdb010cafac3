"""What a page of another origin may do and see (the CORS protocol), and what it must not."""

from __future__ import annotations

from typing import Any

import pytest

from longwire.base.headers import Headers, HeadersLike
from longwire.base.limits import FormLimits
from longwire.http.events import RequestReceived
from longwire.identity.origins import OriginPolicy
from longwire.server.cross_origin import CrossOrigin
from longwire.server.errors import HttpError
from longwire.server.request import Request

OURS = "http://ws.test"
CHAT = "https://chat.example"
EVIL = "https://evil.example"


class NoBody:
    remote_address = None

    async def read(self) -> bytes:
        return b""

    read_body = read


def request(method: str = "GET", **fields: str) -> Request:
    headers = Headers({name.replace("_", "-"): value for name, value in fields.items()})
    head = RequestReceived(1, method, "/", "1.1", headers, "http", "ws.test", None)
    return Request(head, NoBody(), FormLimits())


def policy(*allowed: str) -> CrossOrigin:
    return CrossOrigin(OriginPolicy(allowed or ("same", CHAT)))


class Recorder:
    """An exchange that keeps what it is answered with."""

    def __init__(self) -> None:
        self.headers = Headers()

    async def respond(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> None:
        self.headers = Headers(headers)

    def start(self, status: int, headers: HeadersLike = ()) -> None:
        self.headers = Headers(headers)


async def dressed(crossing: CrossOrigin, asked: Request, **own: str) -> Headers:
    recorder: Any = Recorder()
    answer = {name.replace("_", "-"): value for name, value in own.items()}
    await crossing.dress(asked, recorder).respond(200, answer)
    started = Headers(recorder.headers)
    crossing.dress(asked, recorder).start(200, answer)
    assert list(started) == list(recorder.headers)
    return started


@pytest.mark.parametrize(
    ("method", "fields", "is_allowed"),
    [
        ("POST", {}, True),
        ("POST", {"Origin": OURS}, True),
        ("POST", {"Origin": CHAT}, True),
        ("POST", {"Origin": CHAT, "Sec_Fetch_Site": "cross-site"}, True),
        ("POST", {"Origin": EVIL}, False),
        ("POST", {"Origin": "null"}, False),
        ("POST", {"Origin": "junk"}, False),
        ("POST", {"Origin": EVIL, "Sec_Fetch_Site": "same-origin"}, False),
        ("POST", {"Sec_Fetch_Site": "same-origin"}, True),
        ("POST", {"Sec_Fetch_Site": "none"}, True),
        ("POST", {"Sec_Fetch_Site": "same-site"}, False),
        ("POST", {"Sec_Fetch_Site": "cross-site"}, False),
        ("PUT", {"Origin": EVIL}, False),
        ("PATCH", {"Origin": EVIL}, False),
        ("DELETE", {"Origin": EVIL}, False),
        ("PURGE", {"Origin": EVIL}, False),
        ("GET", {"Origin": EVIL}, True),
        ("HEAD", {"Sec_Fetch_Site": "cross-site"}, True),
    ],
)
def test_forged_requests_are_refused(method: str, fields: dict[str, str], is_allowed: bool) -> None:
    if is_allowed:
        policy().check(request(method, **fields))
        return
    with pytest.raises(HttpError) as caught:
        policy().check(request(method, **fields))
    assert caught.value.status == 403
    assert "origins.allowed" in caught.value.message


def test_preflight_of_an_allowed_page() -> None:
    fields = {"Access_Control_Request_Headers": "authorization,x-mine"}
    asked = request("OPTIONS", Origin=CHAT, Access_Control_Request_Method="PUT", **fields)
    answer = policy().preflight(asked, "GET, OPTIONS, PUT")
    assert answer is not None and answer.status == 204
    assert answer.headers.get("Access-Control-Allow-Methods") == "GET, OPTIONS, PUT"
    assert answer.headers.get("Access-Control-Allow-Headers") == "authorization,x-mine"
    assert answer.headers.get("Access-Control-Max-Age") == "600"
    assert "Access-Control-Request-Headers" in (answer.headers.get("Vary") or "")


async def test_preflight_of_a_foreign_page_does_not_name_it() -> None:
    asked = request("OPTIONS", Origin=EVIL, Access_Control_Request_Method="PUT")
    answer = policy().preflight(asked, "GET")
    assert answer is not None
    recorder: Any = Recorder()
    await policy().dress(asked, recorder).respond(204, answer.headers)
    assert "Access-Control-Allow-Origin" not in recorder.headers
    assert "Access-Control-Allow-Credentials" not in recorder.headers


def test_other_options_are_no_preflight() -> None:
    assert policy().preflight(request("OPTIONS", Origin=CHAT), "GET") is None
    asked = request("OPTIONS", Access_Control_Request_Method="PUT")
    assert policy().preflight(asked, "GET") is None


async def test_allowed_page_sees_the_answer() -> None:
    headers = await dressed(policy(), request(Origin=CHAT), Vary="Accept")
    assert headers.get("Access-Control-Allow-Origin") == CHAT
    assert headers.get("Access-Control-Allow-Credentials") == "true"
    assert "Stream-Next-Offset" in (headers.get("Access-Control-Expose-Headers") or "")
    assert headers.get_all("Vary") == ["Accept", "Origin"]


async def test_foreign_page_does_not() -> None:
    headers = await dressed(policy(), request(Origin=EVIL))
    assert list(headers) == [("Vary", "Origin")]


async def test_with_any_page_cookies_stay_at_home() -> None:
    headers = await dressed(policy("*"), request(Origin=EVIL))
    assert headers.get("Access-Control-Allow-Origin") == EVIL
    assert "Access-Control-Allow-Credentials" not in headers


async def test_what_the_handler_says_stays() -> None:
    own = {"Access_Control_Allow_Origin": "*", "Access_Control_Expose_Headers": "X"}
    headers = await dressed(policy(), request(Origin=CHAT), **own)
    assert headers.get_all("Access-Control-Allow-Origin") == ["*"]
    assert headers.get_all("Access-Control-Expose-Headers") == ["X"]


async def test_caches_are_told_only_where_other_pages_may_come() -> None:
    assert list(await dressed(policy(), request())) == [("Vary", "Origin")]
    assert list(await dressed(policy("same"), request())) == []
