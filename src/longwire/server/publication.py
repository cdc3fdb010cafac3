"""What a publish hook sees: one entry on its way into a stream."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from longwire.identity.principal import Principal

__all__ = ["Publication", "PublishHook"]


class Publication:
    """One entry that somebody publishes.

    A hook may look at it, set ``data`` (JSON) or ``payload`` (bytes) to change it, or raise
    ``longwire.PublishRefused("a sentence for the client")``.
    """

    __slots__ = ("_payload", "content_type", "principal", "stream")

    def __init__(
        self, stream: str, payload: bytes, content_type: str, principal: Principal
    ) -> None:
        self.stream = stream
        self.content_type = content_type
        self.principal = principal
        self._payload = payload

    @property
    def payload(self) -> bytes:
        """The bytes that will be stored."""
        return self._payload

    @payload.setter
    def payload(self, payload: bytes) -> None:
        self._payload = bytes(payload)

    @property
    def data(self) -> Any:
        """The payload as JSON; raises ValueError when it is none."""
        return json.loads(self._payload)

    @data.setter
    def data(self, value: Any) -> None:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        self._payload = text.encode("utf-8")

    def __repr__(self) -> str:
        return f"<Publication {self.stream} {len(self._payload)} bytes>"


PublishHook: TypeAlias = Callable[[Publication], "Awaitable[None] | None"]
