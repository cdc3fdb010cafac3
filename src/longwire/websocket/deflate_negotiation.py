"""Agreeing on permessage-deflate (RFC 7692 sections 5 and 7.1), as server and as client."""

from __future__ import annotations

from collections.abc import Sequence

from longwire.websocket.deflate import DeflateOptions, DeflateParameters
from longwire.websocket.extensions import Extension, HeaderValueError

__all__ = ["EXTENSION_NAME", "accept_offer", "check_accepted", "make_offers"]

EXTENSION_NAME = "permessage-deflate"

_SERVER_RESETS = "server_no_context_takeover"
_CLIENT_RESETS = "client_no_context_takeover"
_SERVER_BITS = "server_max_window_bits"
_CLIENT_BITS = "client_max_window_bits"


def _read_parameters(extension: Extension) -> dict[str, int | None]:
    """Return the parameters with their numbers; raise :exc:`HeaderValueError` for what is wrong.

    RFC 7692 section 7.1: unknown names, repeated names, values where none belong and values that
    are no window bits make an offer, or a response, invalid.
    """
    read: dict[str, int | None] = {}
    for name, value in extension.parameters:
        if name in read:
            raise HeaderValueError(f"{EXTENSION_NAME} has the parameter {name} twice")
        if name in (_SERVER_RESETS, _CLIENT_RESETS):
            if value is not None:
                raise HeaderValueError(f"{EXTENSION_NAME}: {name} takes no value, not {value!r}")
            read[name] = None
        elif name in (_SERVER_BITS, _CLIENT_BITS):
            read[name] = _read_bits(name, value)
        else:
            raise HeaderValueError(f"{EXTENSION_NAME} has no parameter {name!r}")
    return read


def _read_bits(name: str, value: str | None) -> int | None:
    # RFC 7692 section 7.1.2: a decimal integer from 8 to 15 without leading zeros.
    if value is None:
        return None
    if value in ("8", "9", "10", "11", "12", "13", "14", "15"):
        return int(value)
    raise HeaderValueError(f"{EXTENSION_NAME}: {name} is {value!r}; it is 8 to 15")


def _smaller(first: int | None, second: int | None) -> int | None:
    if first is None or second is None:
        return second if first is None else first
    return min(first, second)


def accept_offer(
    offers: Sequence[Extension], options: DeflateOptions
) -> tuple[Extension, DeflateParameters] | None:
    """Return the answer of a server to the first offer it can accept, and what is agreed.

    RFC 7692 section 5: offers stand in the client's order of preference, and one that is invalid
    or cannot be met is declined by passing over it.
    """
    for offer in offers:
        if offer.name.lower() != EXTENSION_NAME:
            continue
        try:
            offered = _read_parameters(offer)
        except HeaderValueError:
            continue
        # RFC 7692 section 7.1.2.1: in an offer this one has a value always.
        if offered.get(_SERVER_BITS, 0) is None:
            continue
        return _answer(offered, options)
    return None


def _answer(
    offered: dict[str, int | None], options: DeflateOptions
) -> tuple[Extension, DeflateParameters]:
    answer: list[tuple[str, str | None]] = []
    # RFC 7692 section 7.1.1: either may be in the answer whether or not the client named it.
    server_resets = options.server_no_context_takeover or _SERVER_RESETS in offered
    if server_resets:
        answer.append((_SERVER_RESETS, None))
    client_resets = options.client_no_context_takeover or _CLIENT_RESETS in offered
    if client_resets:
        answer.append((_CLIENT_RESETS, None))
    # RFC 7692 section 7.1.2.1: the answer to an offer with a value has one, the same or smaller.
    server_bits = _smaller(offered.get(_SERVER_BITS), options.server_max_window_bits)
    if server_bits is not None:
        answer.append((_SERVER_BITS, str(server_bits)))
    # RFC 7692 section 7.1.2.2: only a client that named it can be asked to use less.
    client_bits: int | None = None
    if _CLIENT_BITS in offered:
        client_bits = _smaller(offered[_CLIENT_BITS], options.client_max_window_bits)
        if client_bits is not None:
            answer.append((_CLIENT_BITS, str(client_bits)))
    return Extension(EXTENSION_NAME, tuple(answer)), DeflateParameters(
        server_no_context_takeover=server_resets,
        client_no_context_takeover=client_resets,
        server_max_window_bits=15 if server_bits is None else server_bits,
        client_max_window_bits=15 if client_bits is None else client_bits,
        level=options.level,
        memory_level=options.memory_level,
        threshold_bytes=options.threshold_bytes,
    )


def make_offers(options: DeflateOptions) -> list[Extension]:
    """Return what a client offers, in its order of preference.

    What we wish of the server only saves memory. A server that cannot do it may take the second
    offer, which leaves it out, instead of going without compression.
    """
    wishes: list[tuple[str, str | None]] = []
    if options.server_no_context_takeover:
        wishes.append((_SERVER_RESETS, None))
    if options.server_max_window_bits is not None:
        wishes.append((_SERVER_BITS, str(options.server_max_window_bits)))
    parameters: list[tuple[str, str | None]] = []
    if options.client_no_context_takeover:
        parameters.append((_CLIENT_RESETS, None))
    # Without a value it says that the server may ask for any window (RFC 7692 section 7.1.2.2).
    bits = options.client_max_window_bits
    parameters.append((_CLIENT_BITS, None if bits is None else str(bits)))
    fallback = Extension(EXTENSION_NAME, tuple(parameters))
    if not wishes:
        return [fallback]
    return [Extension(EXTENSION_NAME, (*wishes, *parameters)), fallback]


def check_accepted(accepted: Extension, options: DeflateOptions) -> DeflateParameters:
    """Return what a server's answer to :func:`make_offers` agreed on.

    Raises :exc:`HeaderValueError` if the answer fits none of the offers (RFC 7692 section 7.1).
    """
    read = _read_parameters(accepted)
    for name in (_SERVER_BITS, _CLIENT_BITS):
        if read.get(name, 0) is None:
            raise HeaderValueError(f"{EXTENSION_NAME}: the server answered {name} without a value")
    server_bits = read.get(_SERVER_BITS)
    # RFC 7692 section 7.1.2.2: the server may ignore the value that was offered, and some then
    # answer a larger one. It is the most that they take; we keep to the smaller.
    agreed_bits = _smaller(read.get(_CLIENT_BITS), options.client_max_window_bits)
    return DeflateParameters(
        server_no_context_takeover=_SERVER_RESETS in read,
        client_no_context_takeover=options.client_no_context_takeover or _CLIENT_RESETS in read,
        server_max_window_bits=15 if server_bits is None else server_bits,
        client_max_window_bits=15 if agreed_bits is None else agreed_bits,
        level=options.level,
        memory_level=options.memory_level,
        threshold_bytes=options.threshold_bytes,
    )
