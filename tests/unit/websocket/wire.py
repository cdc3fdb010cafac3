"""What the tests of the WebSocket engine share: input cut in three ways, engines, raw frames."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

import longwire
from longwire.base.limits import KeepaliveSettings, WebSocketLimits
from longwire.websocket.connection import Role, WebSocketEngine
from longwire.websocket.deflate import DeflateParameters
from longwire.websocket.events import Event
from longwire.websocket.frames import encode_frame

WAYS = ("whole", "octets", "random")

KEY = b"\x37\xfa\x21\x3d"

NO_KEEPALIVE = KeepaliveSettings(ping_interval_s=None, ping_timeout_s=None)


def cut(data: bytes, way: str) -> list[bytes]:
    """Return ``data`` in pieces: all of it, octet by octet, or at random places."""
    if way == "whole":
        return [data]
    if way == "octets":
        return [data[index : index + 1] for index in range(len(data))]
    generator = random.Random(len(data))
    count = min(len(data), generator.randint(1, 6))
    cuts = sorted(generator.randrange(len(data) + 1) for _ in range(count))
    return [data[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def seeded(seed: int = 0) -> Callable[[int], bytes]:
    """Return entropy that a test can repeat."""
    return random.Random(seed).randbytes


def server(
    *,
    limits: WebSocketLimits | None = None,
    keepalive: KeepaliveSettings = NO_KEEPALIVE,
    deflate: DeflateParameters | None = None,
    streaming: bool = False,
    now: float = 0.0,
) -> WebSocketEngine:
    return WebSocketEngine(
        Role.SERVER,
        now=now,
        entropy=seeded(),
        limits=limits,
        keepalive=keepalive,
        deflate=deflate,
        streaming=streaming,
    )


def client(
    *,
    limits: WebSocketLimits | None = None,
    keepalive: KeepaliveSettings = NO_KEEPALIVE,
    deflate: DeflateParameters | None = None,
    streaming: bool = False,
    now: float = 0.0,
) -> WebSocketEngine:
    return WebSocketEngine(
        Role.CLIENT,
        now=now,
        entropy=seeded(1),
        limits=limits,
        keepalive=keepalive,
        deflate=deflate,
        streaming=streaming,
    )


def both() -> list[WebSocketEngine]:
    return [client(), server()]


def frame_to(
    engine: WebSocketEngine,
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv1: bool = False,
) -> bytes:
    """Return a frame as the peer of ``engine`` sends it: masked for a server."""
    mask = KEY if engine.role is Role.SERVER else None
    return encode_frame(opcode, payload, fin=fin, rsv1=rsv1, mask=mask)


def receive(
    engine: WebSocketEngine, data: bytes, way: str = "whole", now: float = 1.0
) -> list[Event]:
    """Feed ``data`` cut up and return all events."""
    events: list[Event] = []
    for piece in cut(data, way):
        events += engine.receive(piece, now)
    return events


def output(engine: WebSocketEngine) -> bytes:
    return b"".join(engine.take_output())


def close_frame(engine: WebSocketEngine, code: int | None, reason: bytes = b"") -> bytes:
    payload = b"" if code is None else code.to_bytes(2, "big") + reason
    return frame_to(engine, 0x8, payload)


def load_plain(name: str) -> ModuleType:
    """Load a module that may be compiled from its source file, as plain Python.

    In the plain build this gives the same code twice, which keeps the tests alike.
    """
    path = Path(longwire.__file__).parent / "websocket" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"longwire_plain_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_plain_frames() -> ModuleType:
    """Load the frame parser as plain Python, on plain masking."""
    frames = load_plain("frames")
    frames.mask_range = load_plain("_mask").mask_range  # type: ignore[attr-defined]
    return frames


def join(parts: Iterable[bytes]) -> bytes:
    return b"".join(parts)
