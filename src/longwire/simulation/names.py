"""The names of a world: every host has its own, and more can be added."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Any, TypeAlias

from longwire.simulation.addressing import any_address, to_tuple
from longwire.tcpip.addresses import Address, parse_address

__all__ = ["AddressInfo", "Names"]

AddressInfo: TypeAlias = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]

_LOOPBACK = (parse_address("127.0.0.1"),)
_SERVICES = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_SERVICE_NAMES = {80: "http", 443: "https"}
_KINDS = (
    (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
)


class Names:
    """Answers what a resolver would. ``delay_s`` is how long an asyncio program waits for it."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        self._addresses: dict[str, tuple[Address, ...]] = {"localhost": _LOOPBACK}

    def add(self, name: str, *addresses: str) -> None:
        """Let ``name`` stand for these addresses, in this order, and for no others."""
        self._addresses[name.lower()] = tuple(parse_address(text) for text in addresses)

    def extend(self, name: str, addresses: Iterable[Address]) -> None:
        """Let ``name`` stand for these addresses, too."""
        known = self._addresses.get(name.lower(), ())
        self._addresses[name.lower()] = (*known, *addresses)

    def remove(self, name: str) -> None:
        """Forget a name."""
        self._addresses.pop(name.lower(), None)

    def addresses(self, name: str) -> tuple[Address, ...]:
        """Return the addresses of a name or of an address. Raises gaierror for an unknown one."""
        try:
            return (parse_address(name.partition("%")[0]),)
        except ValueError:
            pass
        found = self._addresses.get(name.lower().rstrip("."))
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, f"Name or service not known: {name}")
        return found

    def lookup(self, name: str, family: int) -> Address:
        """Return the first address of ``name`` in ``family``. Raises gaierror."""
        length = 16 if family == socket.AF_INET6 else 4
        for address in self.addresses(name):
            if len(address) == length:
                return address
        raise socket.gaierror(socket.EAI_NONAME, f"{name} has no address of that family")

    def address_info(
        self,
        host: str | bytes | None,
        port: str | int | bytes | None,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        """Answer ``getaddrinfo``."""
        found = self._found(host, family, bool(flags & socket.AI_PASSIVE))
        return self.infos_of(found, host, port, family, type, proto)

    def infos_of(
        self,
        found: Iterable[Address],
        host: str | bytes | None,
        port: str | int | bytes | None,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
    ) -> list[AddressInfo]:
        """Return what ``getaddrinfo`` makes of the addresses of ``host``. Raises gaierror."""
        number = _port_number(port)
        results: list[AddressInfo] = []
        for address in found:
            of = socket.AF_INET6 if len(address) == 16 else socket.AF_INET
            if family not in (0, of):
                continue
            results += [
                (of, kind, protocol, "", to_tuple(address, number))
                for kind, protocol in _KINDS
                if type in (0, kind) and proto in (0, protocol)
            ]
        if not results:
            raise socket.gaierror(socket.EAI_NONAME, f"no address of that kind: {host!r}")
        return results

    def name_info(self, sockaddr: tuple[Any, ...], flags: int = 0) -> tuple[str, str]:
        """Answer ``getnameinfo``: the first name that an address was given, and the service.

        Raises gaierror for an address without a name when ``NI_NAMEREQD`` asks for one.
        """
        text, port = str(sockaddr[0]), int(sockaddr[1])
        service = None if flags & socket.NI_NUMERICSERV else _SERVICE_NAMES.get(port)
        return self._name_of(text, flags), service or str(port)

    def _name_of(self, text: str, flags: int) -> str:
        try:
            address = parse_address(text.partition("%")[0])
        except ValueError:
            raise socket.gaierror(socket.EAI_NONAME, f"not an address: {text!r}") from None
        if not flags & socket.NI_NUMERICHOST:
            for name, addresses in self._addresses.items():
                if address in addresses:
                    return name
        if flags & socket.NI_NAMEREQD:
            raise socket.gaierror(socket.EAI_NONAME, f"{text} has no name in this world")
        return text

    def is_local(self, host: str | bytes | None) -> bool:
        """Whether ``host`` is an address, this host or nothing: no name server is asked for it."""
        if not isinstance(host, str) or not host or host.lower() == "localhost":
            return True
        try:
            parse_address(host.partition("%")[0])
        except ValueError:
            return False
        return True

    def _found(self, host: str | bytes | None, family: int, is_passive: bool) -> Iterable[Address]:
        if isinstance(host, bytes):
            host = host.decode("idna")
        if host:
            return self.addresses(host)
        if not is_passive:
            return _LOOPBACK
        return (any_address(family or socket.AF_INET),)


def _port_number(port: str | int | bytes | None) -> int:
    if port is None:
        return 0
    if isinstance(port, bytes):
        port = port.decode("ascii")
    try:
        return int(port)
    except ValueError:
        pass
    if port not in _SERVICES:
        raise socket.gaierror(socket.EAI_SERVICE, f"Servname not supported: {port}")
    return _SERVICES[str(port)]
