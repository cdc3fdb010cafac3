"""Tokens that are shown anew, and tokens that expire, on a connection that goes on."""

from __future__ import annotations

import time

from longwire.identity.principal import ANONYMOUS, Principal
from tests.unit.gateways.native.peer import Application, Peer, make_gateway, settle
from tests.unit.hub.collectors import publish


class Tokens(Application):
    """Tokens are a name and the seconds that they are good for: ``ann:300``."""

    async def authenticate(self, token):
        if token is None:
            return ANONYMOUS
        name, _, seconds = token.partition(":")
        if name == "nobody":
            return None
        return Principal(name, time.time() + float(seconds) if seconds else None)


async def connect(token, **options):
    application = Tokens(**options)
    peer = Peer(make_gateway(application=application, heartbeat_s=20))
    answer = await peer.ask("connect", version=1, token=token)
    return peer, answer, application


async def test_connected_tells_whom_the_token_names_and_for_how_long():
    _, answer, _ = await connect("ann:300")
    assert answer["user"] == "ann"
    assert 290 < answer["expires_in_s"] <= 300
    _, answer, _ = await connect("ann")
    assert "expires_in_s" not in answer
    peer = await Peer.connected(make_gateway(application=Tokens()))
    assert "user" not in peer.all[0]


async def test_new_token_prolongs_the_connection():
    peer, _, _ = await connect("ann:60")
    answer = await peer.ask("authenticate", token="ann:600")
    assert (answer["op"], answer["user"]) == ("authenticated", "ann")
    assert 590 < answer["expires_in_s"] <= 600
    live(peer, 500)
    assert peer.wire.closed_with is None
    live(peer, 200)
    assert peer.wire.closed_with[0] == 4002
    assert peer.of("closing")[0]["reconnect"] is True


async def test_expired_token_closes_after_a_while_of_grace():
    peer, _, _ = await connect("ann:30")
    live(peer, 39)
    assert peer.wire.closed_with is None
    live(peer, 2)
    assert peer.wire.closed_with == (4002, "the token has expired")


async def test_token_that_has_expired_is_refused_at_connect():
    for seconds in (-0.001, -3600):
        peer, answer, _ = await connect(f"ann:{seconds}")
        assert (answer["op"], answer["code"], answer["retry"]) == ("error", "unauthorized", False)
        assert peer.wire.closed_with == (4503, "unauthorized")


async def test_token_that_has_expired_renews_nothing():
    peer, _, _ = await connect("ann:60")
    answer = await peer.ask("authenticate", token="ann:-1")
    assert (answer["op"], answer["code"]) == ("error", "unauthorized")
    assert peer.wire.closed_with is None


async def test_token_of_another_user_or_of_none_changes_nothing():
    peer, _, _ = await connect("ann:60")
    for token, code in [("bob:600", "foreign_token"), ("nobody", "unauthorized")]:
        answer = await peer.ask("authenticate", token=token)
        assert (answer["code"], answer["retry"]) == (code, False)
        assert token not in answer["message"]
    assert (await peer.ask("authenticate", token="x" * 8193))["code"] == "bad_message"
    assert peer.wire.closed_with is None
    live(peer, 75)
    assert peer.wire.closed_with[0] == 4002


async def test_what_the_new_token_does_not_allow_is_ended():
    peer, _, application = await connect("ann:60")
    await peer.gateway.hub.publish(publish(b"1", stream="secret"))
    for stream in ("open", "secret"):
        await peer.ask("subscribe", stream=stream, start="earliest")
    await settle()
    application.denied = {("read", "secret")}
    await peer.ask("authenticate", token="ann:60")
    (ended,) = peer.of("ended")
    assert (ended["stream"], ended["code"]) == ("secret", "permission_denied")
    assert ended["position"] == peer.of("entry")[0]["position"]
    left = {subscription.stream for subscription in peer.session.attachment.subscriptions}
    assert left == {"open", "$user/ann"}


def live(peer, seconds):
    """Let time pass for a client that answers every heartbeat."""
    end = peer.now_s + seconds
    while peer.session.deadline is not None and peer.session.deadline <= end:
        peer.wire.heard = True
        peer.session.handle_deadline(peer.session.deadline)
    peer.now_s = end
