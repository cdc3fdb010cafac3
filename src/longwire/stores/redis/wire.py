"""One connection to Redis: opened with a deadline, spoken to in pipelines."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError, ResponseError

from longwire.base.errors import ConfigError, StoreError

__all__ = ["RedisAddress", "RedisConnection", "pack"]


def pack(*parts: bytes) -> bytes:
    """A command as it goes over the wire (RESP: an array of bulk strings)."""
    pieces = [b"*%d\r\n" % len(parts)]
    for part in parts:
        pieces.append(b"$%d\r\n" % len(part))
        pieces.append(part)
        pieces.append(b"\r\n")
    return b"".join(pieces)


class RedisAddress:
    """Where Redis is, from a URL: ``redis://``, ``rediss://`` (TLS) or ``unix://``.

    Raises :exc:`ConfigError` for a URL that is none.
    """

    def __init__(self, url: str) -> None:
        try:
            self._pool = ConnectionPool.from_url(
                url, protocol=2, socket_timeout=None, socket_connect_timeout=None
            )
        except (ValueError, TypeError) as error:
            hint = "redis://[user:password@]host[:port][/database], rediss://… for TLS"
            raise ConfigError("store.url", f"cannot be read: {error}", hint=hint) from None
        arguments = self._pool.connection_kwargs
        path = arguments.get("path")
        host, port = arguments.get("host", "localhost"), arguments.get("port", 6379)
        self.shown: str = f"Redis at {path or f'{host}:{port}'}"
        """For logs and errors: without the password."""

    def make_connection(self) -> RedisConnection:
        """A connection that is not open yet."""
        pool: Any = self._pool  # whose methods have no types
        return RedisConnection(self, pool.make_connection())


class RedisConnection:
    """Not for use by two tasks at once, but for writing beside reading.

    Every method raises ``StoreError`` (retryable) when the connection is lost or cannot be made;
    after that it can only be closed.
    """

    def __init__(self, address: RedisAddress, connection: Any) -> None:
        self._address = address
        self._connection = connection

    async def open(self, timeout_s: float) -> None:
        """Connect and log in."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._connection.connect()
        except TimeoutError:
            raise self._error(f"did not answer within {timeout_s:g} s") from None
        except (RedisError, OSError) as error:
            raise self._error(str(error)) from error

    async def send(self, packed: Sequence[bytes]) -> None:
        """Write commands that are packed."""
        try:
            await self._connection.send_packed_command(packed, check_health=False)
        except (RedisError, OSError) as error:
            raise self._error(str(error)) from error

    async def receive(self) -> Any:
        """Read one reply; an error reply is returned, not raised."""
        try:
            return await self._connection.read_response(disconnect_on_error=False)
        except ResponseError as error:
            return error
        except (RedisError, OSError) as error:
            raise self._error(str(error)) from error

    async def exchange(self, commands: Sequence[tuple[bytes, ...]]) -> list[Any]:
        """Send commands in one go; return their replies."""
        await self.send([pack(*command) for command in commands])
        return [await self.receive() for _ in commands]

    def abort(self) -> None:
        """Close it under whoever reads or writes; both get an error. ``close`` is still needed."""
        writer = self._connection._writer  # the library has no call for this
        if writer is not None:
            writer.transport.abort()

    async def close(self) -> None:
        """Give the connection back."""
        try:
            await self._connection.disconnect(nowait=True)
        except (RedisError, OSError):
            pass  # it is gone either way

    def _error(self, problem: str) -> StoreError:
        return StoreError(f"{self._address.shown}: {problem}", retryable=True)
