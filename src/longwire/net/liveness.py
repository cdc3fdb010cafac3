"""For how long a silent peer is waited for, and which sign of life is no answer."""

from __future__ import annotations

from longwire.net.link import Link
from longwire.websocket.connection import State, WebSocketEngine

__all__ = ["answer_due_s", "count_taken"]


def answer_due_s(engine: WebSocketEngine, link: Link) -> float | None:
    """Return when the answer to our last ping or Close is due; ``None`` when none is awaited.

    While our own loop did not run, the peer's answer had no time to count.
    """
    asked_s = engine.last_ping_sent_s if engine.state is State.OPEN else engine.last_sent_s
    if engine.deadline is None or asked_s is None:
        return None
    return engine.deadline + link.blocked_s(asked_s)


def count_taken(engine: WebSocketEngine, link: Link) -> tuple[int, bool]:
    """Bytes that the peer's kernel has taken, and whether there are more on the way to it.

    Where our kernel does not say, it is what our kernel has taken.
    """
    tcp = link.tcp_info()
    if tcp is not None and tcp.bytes_acked is not None:
        return tcp.bytes_acked, tcp.is_outstanding or link.held_bytes > 0
    held_bytes = link.held_bytes + engine.unwritten_bytes()
    return engine.bytes_sent - held_bytes, link.held_bytes > 0
