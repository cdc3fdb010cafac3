"""Calls of the application's functions."""

from __future__ import annotations

import asyncio

import pytest

from longwire.hub.errors import BadArgumentsError, CallRefused, UnknownMethodError
from tests.unit.gateways.native.peer import Application, Peer, make_gateway, settle


class Methods(Application):
    """A few functions, and a gate for one that takes its time."""

    def __init__(self, **options):
        super().__init__(**options)
        self.calls = []

    async def call(self, principal, method, data):
        self.calls.append((principal.name, method, data))
        match method:
            case "echo":
                return data
            case "wait":
                await self.gate.wait()
                return b'"done"'
            case "wrong":
                raise BadArgumentsError("wrong: Expected `int`, got `str` - at `$.age`")
            case "refuse":
                raise CallRefused("Not on a Sunday.", reason="closed")
            case "fail":
                raise RuntimeError("a secret of the server")
            case "ask what was cancelled":
                asked = asyncio.get_running_loop().create_future()
                asked.cancel()
                await asked
        raise UnknownMethodError(method)


async def connect(**limits):
    application = Methods()
    peer = await Peer.connected(make_gateway(application=application, **limits), token="ann")
    return peer, application


async def test_result_is_what_the_function_returns():
    peer, application = await connect()
    answer = await peer.ask("call", method="echo", data={"a": [1, 2.5]})
    assert (answer["op"], answer["data"]) == ("result", {"a": [1, 2.5]})
    answer = await peer.ask("call", method="echo")
    assert answer["op"] == "result" and "data" not in answer
    assert [call[:2] for call in application.calls] == [("ann", "echo")] * 2
    assert application.calls[1][2] is None


@pytest.mark.parametrize(
    ("method", "code", "piece", "retry"),
    [
        ("missing", "unknown_method", "missing", False),
        ("wrong", "bad_arguments", "$.age", False),
        ("refuse", "call_refused", "Sunday", False),
        ("fail", "internal", "log", True),
        ("ask what was cancelled", "internal", "log", True),
        ("", "bad_message", "0 bytes", False),
        ("m" * 129, "bad_message", "129 bytes", False),
    ],
)
async def test_call_that_comes_to_nothing_says_why(method, code, piece, retry):
    peer, _ = await connect()
    answer = await peer.ask("call", method=method)
    assert (answer["code"], answer["retry"]) == (code, retry)
    assert piece in answer["message"]
    assert "secret" not in answer["message"]
    assert answer.get("reason") == ("closed" if code == "call_refused" else None)


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, 30.5])
async def test_time_of_a_call_is_limited(timeout_s):
    peer, _ = await connect()
    answer = await peer.ask("call", method="echo", timeout_s=timeout_s)
    assert answer["code"] == "bad_message"
    assert "timeout_s" in answer["message"]


async def test_call_is_given_up_after_its_time():
    peer, application = await connect()
    application.gate.clear()
    request_id = peer.send("call", method="wait", timeout_s=0.01)
    while not peer.of("error"):
        await asyncio.sleep(0.005)
    (error,) = peer.of("error")
    assert (error["id"], error["code"], error["retry"]) == (request_id, "call_timeout", True)


async def test_calls_run_beside_each_other_and_beside_everything_else():
    peer, application = await connect(calls_in_flight_max=2)
    application.gate.clear()
    waiting = [peer.send("call", method="wait") for _ in range(2)]
    answer = await peer.ask("call", method="echo")
    assert (answer["code"], answer["limit"], answer["retry"]) == ("too_many_in_flight", 2, True)
    assert (await peer.ask("publish", stream="s", data=1))["op"] == "published"
    application.gate.set()
    await settle()
    assert [answer["id"] for answer in peer.of("result")] == waiting
    assert (await peer.ask("call", method="echo"))["op"] == "result"


async def test_calls_end_with_their_connection():
    peer, application = await connect()
    application.gate.clear()
    peer.send("call", method="wait")
    await settle()
    (task,) = peer.session.calls
    peer.session.lost()
    await settle()
    assert task.cancelled()
