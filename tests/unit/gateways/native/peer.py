"""A client's end of a session without a network: a wire that decodes what it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from longwire.base.errors import ProtocolError
from longwire.base.limits import NativeLimits
from longwire.gateways.native.formats.choice import find_format
from longwire.gateways.native.formats.format import Format
from longwire.gateways.native.gateway import NativeGateway
from longwire.hub.hub import Hub
from longwire.hub.policy import AllowAll
from longwire.hub.sinks import FanOut, OneByOne
from longwire.identity.principal import ANONYMOUS, Principal
from longwire.stores.memory import MemoryStore
from longwire.websocket.closing import encode_close
from tests.unit.gateways.native.translating import TRANSLATIONS


def read_frames(buffer: bytes) -> list[bytes]:
    """Cut a buffer of unmasked, final frames with a whole message each (RFC 6455 section 5.2)."""
    texts = []
    while buffer:
        assert buffer[0] in (0x81, 0x82)
        length, head = buffer[1], 2
        if length == 126:
            length, head = int.from_bytes(buffer[2:4], "big"), 4
        elif length == 127:
            length, head = int.from_bytes(buffer[2:10], "big"), 10
        texts.append(buffer[head : head + length])
        buffer = buffer[head + length :]
    return texts


class Wire:
    """A connection whose peer reads everything at once, or nothing."""

    def __init__(self, format_: Format) -> None:
        self.encoder = format_.frames
        self.texts: list[bytes] = []
        self.held_bytes = 0
        self.is_stuck = False
        self.taken_bytes = 0
        """What a peer that is stuck has taken of what is held, to be set."""
        self._has_sent = False
        self.heard = False
        self.closed_with: tuple[int, str] | None = None
        self.is_paused = False

    def send(self, message: bytes) -> None:
        self.send_bytes(self.encoder.encode_message(message), 1)

    def send_bytes(self, buffer: bytes, messages: int) -> int:
        assert self.closed_with is None
        self._has_sent = True
        frames = read_frames(buffer)
        assert len(frames) == messages
        self.texts += frames
        if self.is_stuck:
            self.held_bytes += len(buffer)
        return self.held_bytes

    @classmethod
    def fan_out(cls, sinks: Sequence[Wire]) -> FanOut:
        return OneByOne(sinks)

    def take_sent(self) -> bool:
        has_sent, self._has_sent = self._has_sent, False
        return has_sent

    def count_taken(self) -> tuple[int, bool]:
        return self.taken_bytes, self.held_bytes > 0

    def take_heard(self) -> bool:
        heard, self.heard = self.heard, False
        return heard

    def close(self, code: int, reason: str) -> None:
        assert self.closed_with is None
        encode_close(int(code), reason)  # refuses what no Close frame can say
        self.closed_with = (int(code), reason)

    def fail(self, error: ProtocolError) -> None:
        self.close(error.code, error.message)

    def pause_reading(self) -> None:
        assert not self.is_paused
        self.is_paused = True

    def resume_reading(self) -> None:
        assert self.is_paused
        self.is_paused = False


class Application(AllowAll):
    """Knows ann by her token; rules by table."""

    def __init__(self, hook=None, denied=(), later=False):
        self.publish_hook = hook
        self.denied = set(denied)
        self.later = later
        self.gate = asyncio.Event()
        self.gate.set()

    async def authenticate(self, token):
        await self.gate.wait()
        if token == "fails":
            raise RuntimeError("the user database is down")
        return {None: ANONYMOUS, "ann": Principal("ann")}.get(token)

    def may(self, principal, action, stream):
        answer = (action, stream) not in self.denied
        return self._later(answer) if self.later else answer

    async def _later(self, answer):
        await asyncio.sleep(0)
        await self.gate.wait()
        return answer


def make_gateway(store=None, application=None, hub_options=None, **limits) -> NativeGateway:
    hub = Hub(store or MemoryStore(), policy=application or Application(), **(hub_options or {}))
    return NativeGateway(hub, limits=NativeLimits(**limits), message_bytes_max=1 << 20)


class Peer:
    """Sends messages to a session and takes its answers."""

    spoken = "json"
    """The format of new peers."""

    def __init__(self, gateway: NativeGateway, address: str = "") -> None:
        self.translation = TRANSLATIONS[Peer.spoken]
        format_ = find_format(self.translation.subprotocol)
        self.wire = Wire(format_)
        self.gateway = gateway
        self.now_s = gateway.now()
        self.session = gateway.begin(self.wire, format_, address)
        self._taken = 0
        self._next_id = 0

    @classmethod
    async def connected(cls, gateway: NativeGateway, **members: Any) -> Peer:
        peer = cls(gateway)
        answer = await peer.ask("connect", version=1, **members)
        assert answer["op"] == "connected", answer
        return peer

    def send_text(self, text: str | bytes) -> None:
        self.session.receive(text, self.now_s)

    def say(self, **message: Any) -> None:
        """Send a message as it stands here."""
        self.send_text(self.translation.write(message))

    def send(self, op: str, **members: Any) -> int:
        self._next_id += 1
        members = {"op": op, "id": self._next_id, **members}
        self.send_text(self.translation.write(members))
        return self._next_id

    async def ask(self, op: str, **members: Any) -> dict[str, Any]:
        """Send a request and return its answer."""
        request_id = self.send(op, **members)
        await settle()
        answers = [m for m in self.all if m.get("id") == request_id]
        assert len(answers) == 1, (op, members, answers)
        return answers[0]

    @property
    def all(self) -> list[dict[str, Any]]:
        return [self.translation.read(text) for text in self.wire.texts]

    def take(self, op: str | None = None) -> list[dict[str, Any]]:
        """What came since the last call."""
        fresh = self.all[self._taken :]
        self._taken = len(self.wire.texts)
        return [m for m in fresh if op is None or m["op"] == op]

    def of(self, op: str) -> list[dict[str, Any]]:
        return [m for m in self.all if m["op"] == op]


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)
