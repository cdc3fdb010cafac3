"""A listener: connections in the making, and made ones that wait to be accepted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from longwire.tcpip.addresses import Address, is_unspecified
from longwire.tcpip.sockets import Readiness
from longwire.tcpip.tcp.connection import TcpConnection
from longwire.tcpip.tcp.profile import TcpProfile
from longwire.tcpip.tcp.state import State

__all__ = ["Listener"]


class Listener:
    """A port that accepts connections. Made by ``Host.listen``.

    Both queues are bounded by ``backlog``: SYNs are dropped while either is full, so that the
    peer's repeated SYN finds room later; the last ACK of a handshake is dropped while the accept
    queue is, so that our repeated SYN asks for it again. Linux does the same.

    A handshake whose peer has not answered before our SYN went out again gives way to a new one
    when there is no room (RFC 4987 section 3.4): a flood of SYNs from forged addresses holds the
    port for as long as it lasts and a second, not until we give each of them up.
    """

    def __init__(
        self,
        address: Address | None,
        port: int,
        backlog: int,
        profile: TcpProfile,
        on_close: Callable[[Listener], None],
    ) -> None:
        self.local_address = address
        self.local_port = port
        self.backlog = max(1, backlog)
        self.profile = profile
        self.is_open = True
        self._on_close = on_close
        self._handshakes: dict[TcpConnection, bool] = {}
        """By age; true: the peer has answered, and waits for room in the accept queue."""
        self._accepted: deque[TcpConnection] = deque()

    @property
    def waiting(self) -> int:
        """Connections that wait to be accepted."""
        return len(self._accepted)

    @property
    def handshakes(self) -> int:
        """Connections in the making."""
        return len(self._handshakes)

    @property
    def is_accept_queue_full(self) -> bool:
        return len(self._accepted) >= self.backlog

    @property
    def is_full(self) -> bool:
        """Whether a SYN is dropped."""
        return self.is_accept_queue_full or len(self._handshakes) >= self.backlog

    @property
    def readiness(self) -> Readiness:
        """What can be done now."""
        if not self.is_open:
            return Readiness.CLOSED
        return Readiness.READABLE if self._accepted else Readiness(0)

    @property
    def is_wildcard(self) -> bool:
        """Whether it takes more than one address."""
        return self.local_address is None or is_unspecified(self.local_address)

    def takes(self, address: Address) -> bool:
        """Whether connections to ``address`` are for this listener.

        Without an address of its own it takes all, with 0.0.0.0 those of IPv4, with :: of IPv6.
        """
        local = self.local_address
        if local is None or local == address:
            return True
        return is_unspecified(local) and len(local) == len(address)

    def accept(self) -> TcpConnection | None:
        """Return the oldest connection that waits, or ``None``."""
        return self._accepted.popleft() if self._accepted else None

    def close(self, now_ns: int) -> None:
        """Stop accepting. What waits, and what is in the making, is reset."""
        if not self.is_open:
            return
        self.is_open = False
        self._on_close(self)
        for connection in [*self._handshakes, *self._accepted]:
            connection.abort(now_ns)
        self._handshakes.clear()
        self._accepted.clear()

    def begin(self, connection: TcpConnection) -> None:
        """A handshake has begun."""
        self._handshakes[connection] = False

    def answered(self, connection: TcpConnection) -> None:
        """The last ACK of a handshake came, and was dropped for want of room."""
        if connection in self._handshakes:
            self._handshakes[connection] = True

    def unanswered(self) -> TcpConnection | None:
        """Return the oldest handshake that may give way to a new one."""
        if self.is_accept_queue_full:
            return None
        for connection, has_answered in self._handshakes.items():
            if not has_answered:
                # Those after it are younger.
                return connection if connection.tcb.syn_retransmissions else None
        return None

    def settle(self, connection: TcpConnection) -> bool:
        """Look at a handshake after something happened to it; true when it is done for good."""
        if connection.state is State.SYN_RECEIVED:
            return False
        if self._handshakes.pop(connection, self) is not self and (
            connection.state is not State.CLOSED
        ):
            self._accepted.append(connection)
        return True
