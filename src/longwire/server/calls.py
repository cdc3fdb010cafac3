"""``App.call``: functions that clients may call; their arguments are checked by their types."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, get_type_hints

import msgspec

from longwire.base.errors import ConfigError
from longwire.hub.errors import BadArgumentsError, UnknownMethodError
from longwire.identity.principal import Principal

__all__ = ["Call", "CallHandler", "Calls"]

CallHandler: TypeAlias = Callable[..., Any]
"""A function or coroutine function. It takes nothing; or the data, of the type that its annotation
says; or the :class:`Call` and the data. What it returns is encoded as JSON; ``None`` is no data."""


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls what."""

    principal: Principal
    method: str


@dataclass(frozen=True, slots=True)
class _Method:
    handler: CallHandler
    takes_call: bool
    decode: Callable[[bytes], Any] | None
    """``None``: it takes no data."""
    is_data_optional: bool


class Calls:
    """The methods of an application."""

    def __init__(self) -> None:
        self._methods: dict[str, _Method] = {}

    def add(self, name: str, handler: CallHandler) -> None:
        """Let clients call ``handler``. Raises ``ConfigError`` for a name that is taken or a
        function that cannot be called so."""
        if name in self._methods:
            raise ConfigError(name, "there is a method of this name already")
        self._methods[name] = _inspect(name, handler)

    async def call(self, principal: Principal, name: str, data: bytes | None) -> bytes | None:
        """Call a method. Raises ``UnknownMethodError``, ``BadArgumentsError``, what it raises."""
        method = self._methods.get(name)
        if method is None:
            raise UnknownMethodError(name)
        arguments: list[Any] = [Call(principal, name)] if method.takes_call else []
        if method.decode is not None:
            if data is not None:
                arguments.append(_decode(name, method.decode, data))
            elif not method.is_data_optional:
                raise BadArgumentsError(f"{name} takes data, and there is none")
        elif data is not None:
            raise BadArgumentsError(f"{name} takes no data")
        result = method.handler(*arguments)
        if inspect.isawaitable(result):
            result = await _settle(result)
        return None if result is None else msgspec.json.encode(result)


async def _settle(result: Awaitable[Any]) -> Any:
    return await result


def _decode(name: str, decode: Callable[[bytes], Any], data: bytes) -> Any:
    try:
        return decode(data)
    except msgspec.ValidationError as error:
        raise BadArgumentsError(f"{name}: {error}") from None


def _inspect(name: str, handler: CallHandler) -> _Method:
    parameters = list(inspect.signature(handler).parameters.values())
    hints = get_type_hints(handler)
    takes_call = bool(parameters) and hints.get(parameters[0].name) is Call
    rest = parameters[1:] if takes_call else parameters
    if len(rest) > 1:
        raise ConfigError(
            name,
            f"the method takes {len(rest)} arguments",
            hint="it takes the Call, if it wants it, and the data: one argument, a Struct for many",
        )
    if not rest:
        return _Method(handler, takes_call, None, True)
    wanted = hints.get(rest[0].name, Any)
    try:
        decode = msgspec.json.Decoder(wanted).decode
    except TypeError as error:
        raise ConfigError(name, f"data cannot be of type {wanted}: {error}") from None
    return _Method(handler, takes_call, decode, rest[0].default is not inspect.Parameter.empty)
