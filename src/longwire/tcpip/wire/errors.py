"""The one error of the codecs."""

from __future__ import annotations

from longwire.base.errors import LongwireError
from longwire.tcpip.reasons import Reason

__all__ = ["WireError"]


class WireError(LongwireError):
    """Octets that are no such packet. ``reason`` says which rule they break.

    ``pointer`` is the offset of the offending octet where an ICMP parameter problem would name it.
    """

    def __init__(self, reason: Reason, detail: str = "", *, pointer: int | None = None) -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail
        self.pointer = pointer
