"""What a publish hook sees: one entry on its way into a stream."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, get_type_hints

import msgspec

from longwire.base.errors import ConfigError
from longwire.hub.errors import PublishRefused
from longwire.identity.principal import Principal

__all__ = ["Publication", "PublishHook", "ShowTo", "make_shower"]


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
        """The payload as JSON; raises ValueError when it is none. What is set may be of any type
        that msgspec encodes: a Struct, a dataclass, a datetime …"""
        return json.loads(self._payload)

    @data.setter
    def data(self, value: Any) -> None:
        plain = msgspec.to_builtins(value)
        text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        self._payload = text.encode("utf-8")

    def __repr__(self) -> str:
        return f"<Publication {self.stream} {len(self._payload)} bytes>"


PublishHook: TypeAlias = Callable[..., "Awaitable[None] | None"]
"""A function or coroutine function. It takes the :class:`Publication`; and, when it wants, the data
too, of the type that its annotation says."""

ShowTo: TypeAlias = Callable[[Publication], "Awaitable[None] | None"]


def make_shower(hook: PublishHook) -> ShowTo:
    """Return what calls the hook with a publication, and with its data if it takes them.

    Data that are not of the hook's type are refused with a sentence that says where. Raises
    ``ConfigError`` for a function that cannot be called so.
    """
    parameters = list(inspect.signature(hook).parameters.values())
    name = getattr(hook, "__name__", repr(hook))
    if len(parameters) not in (1, 2):
        raise ConfigError(
            name,
            f"the hook takes {len(parameters)} arguments",
            hint="it takes the Publication, and the data if it wants them checked by their type",
        )
    if len(parameters) == 1:
        return hook
    wanted = get_type_hints(hook).get(parameters[1].name, Any)
    try:
        decode = msgspec.json.Decoder(wanted).decode
    except TypeError as error:
        raise ConfigError(name, f"data cannot be of type {wanted}: {error}") from None

    def show_with_data(publication: Publication) -> Awaitable[None] | None:
        try:
            data = decode(publication.payload)
        except msgspec.DecodeError as error:
            raise PublishRefused(f"{publication.stream}: {error}") from None
        return hook(publication, data)

    return show_with_data
