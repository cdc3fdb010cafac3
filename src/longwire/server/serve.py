"""``longwire serve``: listen, serve, and stop in stages."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
from collections.abc import Callable
from typing import cast

from longwire.base.errors import ConfigError
from longwire.net.http_server import HttpServer
from longwire.net.in_flight import InFlight
from longwire.net.listener import Driver, Listener
from longwire.net.loop_state import loop_state
from longwire.net.tls import Certificate, ServerTls
from longwire.server.memory import MemoryReturn, system_heap
from longwire.server.service import Service
from longwire.server.settings import ServerSettings

__all__ = ["ListenError", "serve_until_stopped"]

logger = logging.getLogger("longwire.server")

_HANDLERS_TIMEOUT_S = 1.0
"""What handlers get to end in once their connections are gone, seconds."""

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class ListenError(ConfigError):
    """The address cannot be listened on."""


async def serve_until_stopped(service: Service, announce: Callable[[str], None]) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code.

    ``announce`` gets the line that names the addresses once they are open. The first signal
    drains: ``/readyz`` answers 503, nothing new is accepted, clients are told, WebSocket
    connections are closed with 1001, requests under way are finished; what is left after
    ``drain_timeout_s`` is cut. A second signal cuts at once. SIGHUP reads the certificates again.

    Raises :exc:`ListenError`, and :exc:`ConfigError` for certificates that cannot be read.
    """
    settings = service.settings.server
    tls = make_tls(settings)
    loop = asyncio.get_running_loop()
    signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
    server = HttpServer(
        service.dispatcher.handle,
        limits=service.settings.http,
        http2=service.settings.http2 if settings.http2 else None,
        on_refused=service.metrics.request_refused,
        on_limit=service.metrics.limit_hit,
        in_flight=InFlight(service.settings.connections.in_flight_bytes_max),
    )
    listener = make_listener(service, server, tls)
    service.metrics.add_figures(lambda: _listener_figures(listener))
    await service.start()
    memory_return = asyncio.create_task(return_memory(service))
    try:
        await start_listening(listener, settings)
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, signals.put_nowait, number)
        loop.add_signal_handler(signal.SIGHUP, reload_certificates, tls)
        announce(describe_addresses(listener, settings))
        first = await signals.get()
        logger.info("%s: draining", first.name)
        drain = asyncio.create_task(drain_in_stages(service, server, listener))
        second = asyncio.create_task(signals.get())
        await asyncio.wait([drain, second], return_when=asyncio.FIRST_COMPLETED)
        if not drain.done():
            logger.warning("%s again: stopping at once", second.result().name)
            drain.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await drain
            listener.abort()
            code = 128 + second.result()
        else:
            second.cancel()
            drain.result()
            code = 0
    finally:
        memory_return.cancel()
        listener.stop_accepting()
        further = await _stop(service, signals)
    return code if further is None else 128 + further


async def _stop(service: Service, signals: asyncio.Queue[signal.Signals]) -> signal.Signals | None:
    """Stop, unless a further signal comes first, which is returned: a stop hook or a store may take
    for ever."""
    # The simulator unwinds a killed process without a loop: this raises before anything is begun.
    loop = asyncio.get_running_loop()
    stopping = loop.create_task(service.stop())
    further = loop.create_task(signals.get())
    await asyncio.wait([stopping, further], return_when=asyncio.FIRST_COMPLETED)
    if stopping.done():
        further.cancel()
        stopping.result()
        return None
    logger.warning("%s again: stopping without waiting for the end", further.result().name)
    stopping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await stopping
    return further.result()


async def return_memory(service: Service) -> None:
    """Give memory back that stands free after a rush, until cancelled; where that can be done."""
    interval_s = service.settings.server.memory_return_interval_s
    heap = system_heap()
    if interval_s is None or heap is None:
        return
    memory = MemoryReturn(heap)
    service.metrics.add_figures(memory.figures)
    await memory.run(interval_s)


def _listener_figures(listener: Listener) -> dict[str, tuple[str, float, bool]]:
    return {
        "longwire_connections": ("Open connections, of every kind.", len(listener.links), False),
        "longwire_connections_cut": (
            "Connections closed before their first request: past connections.opening_max.",
            listener.openings_cut,
            True,
        ),
        "longwire_connections_refused": (
            "Connections closed at once: past a limit of their number, or while stopping.",
            listener.connections_refused,
            True,
        ),
        "longwire_turns_shared": (
            "Times that a connection had more messages than its share of a turn, and waited.",
            loop_state(asyncio.get_running_loop()).turns_shared,
            True,
        ),
    }


def make_tls(settings: ServerSettings) -> ServerTls | None:
    """Read the certificates, where there are any."""
    if settings.tls_cert is None:
        return None
    certificate = Certificate(cert_path=settings.tls_cert, key_path=settings.tls_key)
    if settings.tls_keylog is not None:
        logger.warning("TLS secrets are written to %s", settings.tls_keylog)
        _create_for_owner_alone(settings.tls_keylog)
    alpn = ("h2", "http/1.1") if settings.http2 else ("http/1.1",)
    return ServerTls([certificate], alpn=alpn, keylog_path=settings.tls_keylog)


def _create_for_owner_alone(path: str) -> None:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600))
    except OSError as error:
        message = f"TLS secrets cannot be written there: {error.strerror}"
        raise ConfigError(path, message) from None


def make_listener(service: Service, server: HttpServer, tls: ServerTls | None) -> Listener:
    """Return a listener for the address that is configured; a Unix socket comes before TCP."""
    settings = service.settings.server
    context = None if tls is None else tls.context
    if settings.unix is not None:
        return Listener(
            server.make_handler,
            path=settings.unix,
            ssl=context,
            connections_max=settings.connections_max,
            limits=service.settings.connections,
            on_limit=service.metrics.limit_hit,
        )
    return Listener(
        server.make_handler,
        host=settings.host,
        port=settings.port,
        ssl=context,
        reuse_port=settings.reuse_port,
        connections_max=settings.connections_max,
        limits=service.settings.connections,
        on_limit=service.metrics.limit_hit,
        driver=cast(Driver, settings.driver),
    )


async def start_listening(listener: Listener, settings: ServerSettings) -> None:
    """Open the listening sockets; raise :exc:`ListenError` that says why that is not possible."""
    where = settings.unix if settings.unix is not None else f"{settings.host}:{settings.port}"
    try:
        await listener.start()
    except socket.gaierror as error:
        message = f"cannot be resolved: {error.strerror}"
        raise ListenError(settings.host, message, hint="0.0.0.0 is every address") from None
    except OSError as error:
        number = error.errno
        reason = os.strerror(number) if number is not None else str(error)
        raise ListenError(
            where, f"cannot listen there: {reason}", hint=_LISTEN_HINTS.get(number or 0, "")
        ) from None


_LISTEN_HINTS = {
    errno.EADDRINUSE: "another process listens there; --port 0 takes a free port",
    errno.EADDRNOTAVAIL: "this machine does not have that address; 0.0.0.0 is every address",
    errno.EACCES: "ports below 1024 are for root; a Unix socket needs a folder one may write to",
}


def describe_addresses(listener: Listener, settings: ServerSettings) -> str:
    """Say where the server can be reached: ``listening on http://127.0.0.1:8080``."""
    scheme = "http" if settings.tls_cert is None else "https"
    if settings.unix is not None:
        return f"listening on {scheme}+unix:{settings.unix}"
    addresses = [sock.getsockname() for sock in listener.sockets]
    urls = []
    for host, port, *_ in addresses:
        shown = f"[{host}]" if ":" in host else host
        urls.append(f"{scheme}://{shown}:{port}")
    return "listening on " + " and ".join(urls)


def reload_certificates(tls: ServerTls | None) -> None:
    """Act on SIGHUP; certificates that cannot be read leave the old ones in place."""
    if tls is None:
        logger.info("SIGHUP: there are no certificates to read again")
        return
    try:
        tls.reload()
    except ConfigError as error:
        logger.error("SIGHUP: the old certificates stay: %s", error)
    else:
        logger.info("SIGHUP: certificates read again")


async def drain_in_stages(service: Service, server: HttpServer, listener: Listener) -> None:
    """Take nothing new, finish what is begun, cut what is left after the time-out."""
    settings = service.settings.server
    service.begin_drain()
    if settings.drain_delay_s:
        await asyncio.sleep(settings.drain_delay_s)
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + settings.drain_timeout_s
    listener.stop_accepting()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout_at(deadline_s):
            await service.say_goodbye()
    listener.shutdown()
    if not await listener.drained(max(0.0, deadline_s - loop.time())):
        logger.warning(
            "%d connections are still open after %g s: cutting them",
            len(listener.links),
            settings.drain_timeout_s,
        )
        listener.abort()
        await listener.drained()
    for stuck in await server.finished(_HANDLERS_TIMEOUT_S):
        logger.warning("the handler of %s did not end; it was cancelled", stuck)
