"""A handler that does nothing: for links that are refused, and for links that are gone."""

from __future__ import annotations

from longwire.net.link import Link

__all__ = ["NoHandler"]


class NoHandler:
    """Drops the link it is given."""

    def link_made(self, link: Link) -> None:
        link.abort()

    def data_received(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def eof_received(self) -> None:
        pass

    def link_lost(self, error: OSError | None) -> None:
        pass

    def link_drained(self) -> None:
        pass

    def deadline_reached(self, now: float) -> None:
        pass

    def shutdown(self) -> None:
        pass
