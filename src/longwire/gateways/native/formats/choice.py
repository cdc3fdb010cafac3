"""Which formats there are here, and which of them a client gets."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cache

from longwire.gateways.native.formats.format import Format
from longwire.gateways.native.formats.json_text import JSON_FORMAT
from longwire.gateways.native.formats.message_pack import MESSAGE_PACK_FORMAT
from longwire.websocket.handshake import HandshakeError

__all__ = ["choose_subprotocol", "find_format", "subprotocols"]

_PROTOBUF = "longwire.v1.protobuf"


@cache
def subprotocols() -> tuple[str, ...]:
    """The formats that are spoken, by their subprotocols. Protobuf needs a package that a plain
    install does not bring."""
    always = (JSON_FORMAT.subprotocol, MESSAGE_PACK_FORMAT.subprotocol)
    return (*always, _PROTOBUF) if _has_protobuf() else always


def _has_protobuf() -> bool:
    try:
        return importlib.util.find_spec("google.protobuf") is not None
    except ModuleNotFoundError:  # there is no package `google` at all
        return False


def choose_subprotocol(offered: Sequence[str]) -> str | None:
    """Return the subprotocol to select; ``None`` for a client that offers none.

    Raises :exc:`HandshakeError` with status 400 when none of those offered is spoken. Fits as
    ``select_subprotocol`` of an upgrade.
    """
    for name in offered:
        if name in subprotocols():
            return name
    if offered:
        raise HandshakeError(
            400,
            f"the subprotocols offered are {', '.join(offered)}; this path speaks "
            f"{', '.join(subprotocols())}",
        )
    return None


@cache
def find_format(subprotocol: str | None) -> Format:
    """The format of a connection; JSON where no subprotocol was agreed."""
    if subprotocol is None or subprotocol == JSON_FORMAT.subprotocol:
        return JSON_FORMAT
    if subprotocol == MESSAGE_PACK_FORMAT.subprotocol:
        return MESSAGE_PACK_FORMAT
    # Three megabytes of a library, which who does not speak it does without.
    from longwire.gateways.native.formats.protocol_buffers import PROTOBUF_FORMAT

    return PROTOBUF_FORMAT
