"""Keepalive in virtual time: when a silent peer is asked, and when it is given up."""

from __future__ import annotations

import pytest

from longwire.base.limits import KeepaliveSettings
from longwire.websocket.connection import Close, State, TransportAction, WebSocketEngine
from longwire.websocket.events import CloseReceived, Pong
from tests.unit.websocket.wire import client, close_frame, frame_to, output, receive, server

SETTINGS = KeepaliveSettings(ping_interval_s=20.0, ping_timeout_s=5.0)


def new(role: str, settings: KeepaliveSettings = SETTINGS) -> WebSocketEngine:
    if role == "client":
        return client(keepalive=settings, now=100.0)
    return server(keepalive=settings, now=100.0)


def run_to(engine: WebSocketEngine, now: float) -> list[float]:
    """Call the engine at each of its deadlines up to ``now``; return when it sent a ping."""
    pinged = []
    while engine.deadline is not None and engine.deadline <= now:
        at = engine.deadline
        before = engine.last_ping_sent_s
        assert engine.handle_deadline(at) == []
        if engine.last_ping_sent_s != before:
            pinged.append(at)
        assert engine.deadline is None or engine.deadline > at
    return pinged


class TestPinging:
    def test_silent_peer_is_pinged_then_given_up(self, role: str) -> None:
        engine = new(role)
        assert engine.deadline == 120.0
        assert run_to(engine, 124.9) == [120.0]
        assert engine.state is State.OPEN
        output(engine)
        run_to(engine, 125.0)
        assert engine.keepalive_expired
        assert engine.failure is not None and engine.failure.code == 1011
        assert engine.state is State.CLOSING
        assert engine.close_initiator == "local"
        # It may only have slept: the Close frame says why, but nobody waits for its answer.
        assert engine.close_sent == Close(1011, engine.failure.message)
        assert engine.transport_action is TransportAction.CLOSE
        peer = server() if role == "client" else client()
        assert peer.receive(output(engine), 1.0) == [CloseReceived(1011, engine.failure.message)]

    def test_given_up_peer_that_takes_nothing_is_dropped(self, role: str) -> None:
        engine = new(role)
        run_to(engine, 125.0)
        assert engine.deadline == 135.0
        engine.handle_deadline(135.0)
        assert engine.transport_action is TransportAction.ABORT

    def test_calling_too_early_does_nothing(self, role: str) -> None:
        engine = new(role)
        for now in (100.0, 110.0, 119.999):
            assert engine.handle_deadline(now) == []
            assert engine.deadline == 120.0
            assert output(engine) == b""

    def test_calling_late_pings_late_and_waits_in_full(self, role: str) -> None:
        engine = new(role)
        engine.handle_deadline(150.0)
        assert engine.last_ping_sent_s == 150.0
        assert engine.deadline == 155.0

    def test_each_ping_has_another_payload(self, role: str) -> None:
        engine = new(role)
        payloads = []
        peer = server() if role == "client" else client()
        for turn in range(1, 4):
            run_to(engine, 100.0 + 20.0 * turn + 0.5)
            data = output(engine)
            events = peer.receive(data, 0.0)
            payloads += [event.payload for event in events]  # type: ignore[union-attr]
            receive(engine, output(peer), now=100.0 + 20.0 * turn)
        assert len(set(payloads)) == len(payloads) == 3


class TestSignsOfLife:
    def test_any_inbound_byte_counts_as_life(self, role: str) -> None:
        engine = new(role)
        whole = frame_to(engine, 2, bytes(100))
        # A byte of a frame that takes very long is enough, again and again.
        for index in range(50):
            now = 100.0 + 15.0 * (index + 1)
            assert run_to(engine, now) == []
            engine.receive(whole[index : index + 1], now)
        assert engine.state is State.OPEN

    def test_data_in_place_of_the_pong_counts_as_life(self, role: str) -> None:
        engine = new(role)
        assert run_to(engine, 121.0) == [120.0]
        engine.receive(frame_to(engine, 1, b"busy"), 124.0)
        assert run_to(engine, 143.9) == []
        assert run_to(engine, 144.0) == [144.0]
        assert not engine.keepalive_expired

    def test_life_before_the_ping_does_not_answer_it(self, role: str) -> None:
        engine = new(role)
        engine.receive(frame_to(engine, 1, b"last words"), 110.0)
        assert run_to(engine, 134.9) == [130.0]
        run_to(engine, 135.0)
        assert engine.keepalive_expired

    def test_answer_at_the_very_moment_of_the_ping_counts(self, role: str) -> None:
        # A simulated link may take no time at all.
        engine = new(role)
        run_to(engine, 120.0)
        peer = server() if role == "client" else client()
        peer.receive(output(engine), 120.0)
        (pong,) = engine.receive(output(peer), 120.0)
        assert isinstance(pong, Pong) and pong.latency_s == 0.0
        assert run_to(engine, 139.9) == []
        assert engine.state is State.OPEN

    def test_pong_tells_the_latency_of_keepalive(self, role: str) -> None:
        engine = new(role)
        run_to(engine, 120.0)
        peer = server() if role == "client" else client()
        peer.receive(output(engine), 120.0)
        engine.receive(output(peer), 120.125)
        assert engine.latency_s == 0.125
        assert engine.last_pong_s == 120.125

    def test_peer_that_answers_lives_for_ever(self, role: str) -> None:
        engine = new(role)
        peer = server() if role == "client" else client()
        now, count = 100.0, 0
        while now < 2000.0:
            assert engine.deadline is not None
            now = engine.deadline
            engine.handle_deadline(now)
            peer.receive(output(engine), now)
            answer = output(peer)
            if answer:
                engine.receive(answer, now + 0.25)
                count += 1
        # One ping a silent interval, and never more.
        assert 90 <= count <= 95
        assert engine.state is State.OPEN


class TestSettings:
    def test_no_interval_means_no_pings(self, role: str) -> None:
        engine = new(role, KeepaliveSettings(ping_interval_s=None, ping_timeout_s=5.0))
        assert engine.deadline is None
        engine.receive(frame_to(engine, 1, b"x"), 200.0)
        assert engine.deadline is None

    def test_no_timeout_means_never_given_up(self, role: str) -> None:
        engine = new(role, KeepaliveSettings(ping_interval_s=20.0, ping_timeout_s=None))
        pinged = run_to(engine, 300.0)
        assert pinged == [120.0 + 20.0 * index for index in range(10)]
        assert engine.state is State.OPEN and not engine.keepalive_expired

    def test_timeout_longer_than_the_interval_is_waited_for(self, role: str) -> None:
        engine = new(role, KeepaliveSettings(ping_interval_s=5.0, ping_timeout_s=60.0))
        assert run_to(engine, 164.9) == [105.0]
        assert not engine.keepalive_expired
        run_to(engine, 165.0)
        assert engine.keepalive_expired


class TestPausedReading:
    def test_peer_that_is_not_read_is_not_judged(self, role: str) -> None:
        engine = new(role)
        engine.set_reading_paused(True, 110.0)
        assert engine.deadline == 130.0
        assert run_to(engine, 1000.0) == []
        assert engine.state is State.OPEN
        engine.set_reading_paused(False, 1000.0)
        assert engine.deadline == 1020.0
        assert run_to(engine, 1025.0) == [1020.0]
        assert engine.keepalive_expired

    def test_pause_while_a_ping_is_in_flight_forgives_it(self, role: str) -> None:
        engine = new(role)
        assert run_to(engine, 121.0) == [120.0]
        engine.set_reading_paused(True, 122.0)
        engine.set_reading_paused(False, 200.0)
        assert engine.deadline == 220.0

    def test_peer_that_is_not_read_is_given_up_by_the_driver_alone(self, role: str) -> None:
        engine = new(role)
        engine.set_reading_paused(True, 110.0)
        engine.give_up(130.0, "it takes nothing")
        assert engine.keepalive_expired
        assert engine.state is not State.OPEN
        assert engine.failure is not None and engine.failure.message == "it takes nothing"

    def test_resuming_without_a_pause_changes_nothing(self, role: str) -> None:
        engine = new(role)
        engine.set_reading_paused(False, 110.0)
        assert engine.deadline == 120.0

    def test_pause_does_not_stop_the_close_timeout(self, role: str) -> None:
        engine = new(role)
        engine.close(now=110.0)
        engine.set_reading_paused(True, 111.0)
        assert engine.deadline == 120.0


class TestClosing:
    @pytest.mark.parametrize("how", ["local", "remote", "fail", "eof"])
    def test_closing_stops_keepalive(self, role: str, how: str) -> None:
        engine = new(role)
        if how == "local":
            engine.close(now=101.0)
        elif how == "remote":
            engine.receive(close_frame(engine, 1000), 101.0)
        elif how == "fail":
            engine.receive(b"\xff\xff", 101.0)
        else:
            engine.receive_eof(101.0)
        assert run_to(engine, 500.0) == []
        assert not engine.keepalive_expired
