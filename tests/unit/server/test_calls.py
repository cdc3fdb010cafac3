"""Functions that clients may call."""

from __future__ import annotations

import msgspec
import pytest

from longwire.base.errors import ConfigError
from longwire.hub.errors import BadArgumentsError, UnknownMethodError
from longwire.identity.principal import Principal
from longwire.server.app import App
from longwire.server.calls import Call

ANN = Principal("ann")


class Room(msgspec.Struct):
    title: str
    seats: int = 4


async def call(app, method, data=None):
    return await app.calls.call(ANN, method, data)


async def test_data_is_checked_against_the_annotation():
    app = App()

    @app.call("rooms.create")
    async def create(call: Call, room: Room) -> dict[str, object]:
        return {"by": call.principal.name, "title": room.title, "seats": room.seats}

    assert await call(app, "rooms.create", b'{"title":"Tea"}') == (
        b'{"by":"ann","title":"Tea","seats":4}'
    )
    with pytest.raises(BadArgumentsError, match=r"\$\.seats"):
        await call(app, "rooms.create", b'{"title":"Tea","seats":"many"}')
    with pytest.raises(BadArgumentsError, match="takes data"):
        await call(app, "rooms.create")


async def test_functions_take_what_they_want():
    app = App()
    app.call("nothing")(lambda: None)

    @app.call("call")
    def only_call(who: Call) -> str:
        return who.method

    @app.call("optional")
    def optional(data: int = 7) -> int:
        return data

    @app.call("any")
    def anything(data):
        return data

    assert await call(app, "nothing") is None
    assert await call(app, "call") == b'"call"'
    assert await call(app, "optional") == b"7"
    assert await call(app, "optional", b"8") == b"8"
    assert await call(app, "any", b'[1,{"a":null}]') == b'[1,{"a":null}]'
    with pytest.raises(BadArgumentsError, match="takes no data"):
        await call(app, "nothing", b"1")
    with pytest.raises(UnknownMethodError):
        await call(app, "other")


def test_functions_that_cannot_be_called_so_are_refused():
    app = App()
    app.call("taken")(lambda: None)
    with pytest.raises(ConfigError, match="already"):
        app.call("taken")(lambda: None)
    with pytest.raises(ConfigError, match="2 arguments"):
        app.call("two")(lambda first, second: None)
