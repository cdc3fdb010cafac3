"""Where a request carries a token (RFC 6750 section 2)."""

from __future__ import annotations

import pytest

from longwire.base.headers import Headers
from longwire.base.limits import FormLimits
from longwire.http.events import RequestReceived
from longwire.server.credentials import Credential, find_credential, leave_out_tokens
from longwire.server.errors import HttpError
from longwire.server.request import Request


class NoBody:
    remote_address = None

    async def read(self) -> bytes:
        return b""

    read_body = read


def find(
    *fields: tuple[str, str], query: str = "", cookie: str | None = "longwire_token"
) -> Credential | None:
    target = f"/?{query}" if query else "/"
    head = RequestReceived(1, "GET", target, "1.1", Headers(fields), "http", "a", None)
    request = Request(head, NoBody(), FormLimits())
    return find_credential(request, cookie)


@pytest.mark.parametrize(
    ("fields", "query", "token", "is_ambient"),
    [
        ([("Authorization", "Bearer a.b.c")], "", "a.b.c", False),
        ([("authorization", "bEARER   a.b.c ")], "", "a.b.c", False),
        ([("Authorization", "Bearer")], "", "", False),
        ([("Authorization", "Basic YTpi")], "", None, False),
        ([], "x=1&access_token=a.b.c", "a.b.c", False),
        ([], "access_token=", "", False),
        ([], "my_access_token=a", None, False),
        ([("Sec-WebSocket-Protocol", "longwire.v1.json, longwire.token.a.b")], "", "a.b", False),
        ([("Sec-WebSocket-Protocol", "x"), ("Sec-WebSocket-Protocol", "longwire.token.t")], "",
         "t", False),
        ([("Cookie", "a=1; longwire_token=a.b.c; b=2")], "", "a.b.c", True),
        ([("Cookie", 'longwire_token="a.b.c"')], "", "a.b.c", True),
        ([("Cookie", "a=1"), ("Cookie", "longwire_token=t")], "", "t", True),
        ([("Cookie", "longwire_token=first; longwire_token=second")], "", "first", True),
        ([("Cookie", "Longwire_token=t; longwire_token_2=u; longwire_token")], "", None, False),
        ([("Cookie", "longwire_token=c"), ("Authorization", "Bearer h")], "", "h", False),
        ([], "", None, False),
    ],
)  # fmt: skip
def test_token_is_found(
    fields: list[tuple[str, str]], query: str, token: str | None, is_ambient: bool
) -> None:
    found = find(*fields, query=query)
    assert found == (None if token is None else Credential(token, is_ambient))


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        ([("Authorization", "Bearer a"), ("Authorization", "Bearer b")], ""),
        ([("Authorization", "Bearer a")], "access_token=a"),
        ([], "access_token=a&access_token=b"),
        ([("Sec-WebSocket-Protocol", "longwire.token.a, longwire.token.b")], ""),
        ([("Sec-WebSocket-Protocol", "longwire.token.a")], "access_token=a"),
    ],
)
def test_6750_2_one_token_only(fields: list[tuple[str, str]], query: str) -> None:
    with pytest.raises(HttpError) as caught:
        find(*fields, query=query)
    assert caught.value.status == 400
    assert 'error="invalid_request"' in (caught.value.headers.get("WWW-Authenticate") or "")


def test_cookie_can_be_called_something_else_or_be_left_alone() -> None:
    fields = ("Cookie", "longwire_token=a; mine=b")
    assert find(fields, cookie="mine") == Credential("b", is_ambient=True)
    assert find(fields, cookie=None) is None


def test_token_does_not_show() -> None:
    assert "a.b.c" not in repr(find(("Authorization", "Bearer a.b.c")))


def test_subprotocols_without_tokens() -> None:
    offered = ["longwire.token.a", "longwire.v1.json", "longwire.tokens"]
    assert leave_out_tokens(offered) == ["longwire.v1.json", "longwire.tokens"]
