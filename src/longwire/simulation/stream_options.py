"""Options of TCP sockets: which ones the stack obeys, and what ``getsockopt`` answers."""

from __future__ import annotations

import dataclasses
import socket
import struct

from longwire.tcpip.durations import MILLISECOND, SECOND
from longwire.tcpip.tcp.connection import TcpConnection
from longwire.tcpip.tcp.profile import TcpProfile

__all__ = ["StreamOptions"]

_TCP = socket.IPPROTO_TCP
_NODELAY = (_TCP, socket.TCP_NODELAY)
_KEEPALIVE = (socket.SOL_SOCKET, socket.SO_KEEPALIVE)
# Linux numbers, so that the module also loads where Python does not have the names.
_KEEPIDLE = (_TCP, 4)
_KEEPINTVL = (_TCP, 5)
_KEEPCNT = (_TCP, 6)
_USER_TIMEOUT = (_TCP, 18)
_LINGER = (socket.SOL_SOCKET, socket.SO_LINGER)
_SNDBUF = (socket.SOL_SOCKET, socket.SO_SNDBUF)
_RCVBUF = (socket.SOL_SOCKET, socket.SO_RCVBUF)
_KEEPALIVE_OPTIONS = (_KEEPALIVE, _KEEPIDLE, _KEEPINTVL, _KEEPCNT)


class StreamOptions:
    """What was set; anything may be set and is given back, these are obeyed:

    TCP_NODELAY, SO_KEEPALIVE with TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT, TCP_USER_TIMEOUT,
    SO_LINGER with time 0, and, before a connection is made, SO_SNDBUF and SO_RCVBUF.
    """

    def __init__(self, values: dict[tuple[int, int], int | bytes] | None = None) -> None:
        self._values = dict(values or {})

    def copy(self) -> StreamOptions:
        """Return the options of an accepted socket, which are its listener's."""
        return StreamOptions(self._values)

    def set(self, level: int, option: int, value: int | bytes) -> None:
        """Keep a value."""
        self._values[level, option] = value

    def get(self, level: int, option: int, length: int, profile: TcpProfile) -> int | bytes:
        """Return what was set, or what holds without that."""
        value = self._values.get((level, option))
        if value is None:
            defaults = {
                _NODELAY: int(not profile.nagle),
                _SNDBUF: profile.send_buffer_octets,
                _RCVBUF: profile.receive_buffer_octets,
                _KEEPIDLE: profile.keepalive_idle_ns // SECOND,
                _KEEPINTVL: profile.keepalive_interval_ns // SECOND,
            }
            value = defaults.get((level, option), 0)
        if length and isinstance(value, int):
            return struct.pack("=i", value)[:length]
        if not length and isinstance(value, bytes):
            return int.from_bytes(value[:4], "little", signed=True)
        return value

    def _number(self, key: tuple[int, int], default: int) -> int:
        value = self._values.get(key, default)
        return value if isinstance(value, int) else int.from_bytes(value[:4], "little")

    @property
    def closes_with_reset(self) -> bool:
        """SO_LINGER with time 0: closing resets."""
        value = self._values.get(_LINGER)
        return isinstance(value, bytes) and struct.unpack_from("=ii", value) == (1, 0)

    def applied_to(self, profile: TcpProfile) -> TcpProfile:
        """Return the profile with what was set."""
        values = self._values
        user_timeout_ms = self._number(_USER_TIMEOUT, 0)
        if not values:
            return profile
        return dataclasses.replace(
            profile,
            nagle=profile.nagle and not self._number(_NODELAY, 0),
            send_buffer_octets=self._number(_SNDBUF, profile.send_buffer_octets),
            receive_buffer_octets=self._number(_RCVBUF, profile.receive_buffer_octets),
            user_timeout_ns=user_timeout_ms * MILLISECOND or profile.user_timeout_ns,
            keepalive=bool(self._number(_KEEPALIVE, int(profile.keepalive))),
            keepalive_idle_ns=self._idle_ns(profile),
            keepalive_interval_ns=self._interval_ns(profile),
            keepalive_probes_max=self._number(_KEEPCNT, profile.keepalive_probes_max),
        )

    def _idle_ns(self, profile: TcpProfile) -> int:
        return self._number(_KEEPIDLE, 0) * SECOND or profile.keepalive_idle_ns

    def _interval_ns(self, profile: TcpProfile) -> int:
        return self._number(_KEEPINTVL, 0) * SECOND or profile.keepalive_interval_ns

    def apply(self, connection: TcpConnection, option: int, level: int, now_ns: int) -> None:
        """Have a connection obey an option that was set on it."""
        key = (level, option)
        profile = connection.tcb.profile
        if key == _NODELAY:
            connection.set_nagle(not self._number(_NODELAY, 0), now_ns)
        elif key in _KEEPALIVE_OPTIONS:
            is_on = bool(self._number(_KEEPALIVE, int(profile.keepalive)))
            connection.tcb.profile = dataclasses.replace(
                profile,
                keepalive_probes_max=self._number(_KEEPCNT, profile.keepalive_probes_max),
            )
            idle_ns = self._idle_ns(profile) if is_on else None
            connection.set_keepalive(idle_ns, now_ns, interval_ns=self._interval_ns(profile))
        elif key == _USER_TIMEOUT:
            timeout_ms = self._number(_USER_TIMEOUT, 0)
            connection.set_user_timeout(timeout_ms * MILLISECOND or None)
