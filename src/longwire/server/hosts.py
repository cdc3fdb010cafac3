"""For which hosts the server answers (RFC 9110 section 7.4: misdirected requests).

A connection may carry requests for every name that its certificate covers (RFC 9113 section 9.1.1),
and a page of a foreign name that suddenly has our address (DNS rebinding) is of its own origin
here. Which names are ours only the operator knows.
"""

from __future__ import annotations

from collections.abc import Iterable

from longwire.base.errors import ConfigError
from longwire.identity.origins import parse_authority
from longwire.server.errors import HttpError
from longwire.server.request import Request

__all__ = ["HostList"]

_PROBES = frozenset({"/healthz", "/readyz"})
"""Load balancers ask for these by address."""

_HINT = '"example.com", "*.example.com" for every name below it, or an address'


class HostList:
    """The hosts of ``server.hosts``, whatever the port.

    Raises ``ConfigError`` for one that is none.

    >>> HostList(["example.com", "*.example.org"]).has("EXAMPLE.com:8443")
    True
    >>> HostList(["*.example.org"]).has("example.org")
    False
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        exact, suffixes = set(), []
        for pattern in patterns:
            is_suffix = pattern.startswith("*.")
            parsed = parse_authority(pattern[2:] if is_suffix else pattern)
            if parsed is None or ":" in pattern.rpartition("]")[2]:
                raise ConfigError("server.hosts", f'"{pattern}" is no host', hint=_HINT)
            if is_suffix:
                suffixes.append("." + parsed[0])
            else:
                exact.add(parsed[0])
        self._exact = frozenset(exact)
        self._suffixes = tuple(suffixes)

    def has(self, authority: str) -> bool:
        """Whether ``host[:port]`` is one of them."""
        parsed = parse_authority(authority)
        if parsed is None:
            return False
        host = parsed[0].removesuffix(".")
        return host in self._exact or host.endswith(self._suffixes)

    def check(self, request: Request) -> None:
        """Raise an ``HttpError`` (421) for a request that is meant for another server."""
        if not self.has(request.authority) and request.path not in _PROBES:
            # RFC 9110 section 15.5.20: the client may ask again, over another connection.
            raise HttpError(421, "This server does not answer for the host that was asked for.")
