"""Which of several representations a client would rather have (RFC 9110 section 12)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from longwire.http.field_values import split_list, split_parameters

__all__ = ["IDENTITY", "MediaRange", "choose_coding", "choose_media_type", "parse_accept"]

IDENTITY: Final = "identity"
"""The content coding that changes nothing."""

# RFC 9110 section 12.4.2:
#   qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
_QVALUE = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")

# Saying which charset it reads makes a range no narrower: text is always sent as UTF-8.
_NOT_NARROWING = frozenset({"charset"})


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One element of Accept: what it covers and how much it is liked."""

    type: str
    """``text/html``, ``text/*`` or ``*/*``, in lower case."""
    parameters: dict[str, str]
    quality: float
    """0 (not acceptable) to 1."""

    @property
    def specificity(self) -> tuple[int, int]:
        """The more specific range decides (RFC 9110 section 12.5.1)."""
        if self.type == "*/*":
            return (0, 0)
        return (1 if self.type.endswith("/*") else 2, len(self.parameters))

    def covers(self, media_type: str, parameters: dict[str, str]) -> bool:
        """Tell whether a representation of this type falls under the range."""
        if self.type == "*/*":
            return True
        if self.type.endswith("/*"):
            return media_type.startswith(self.type[:-1])
        return self.type == media_type and all(
            parameters.get(name) == value for name, value in self.parameters.items()
        )


def parse_accept(value: str) -> list[MediaRange]:
    """Return the elements of an Accept header; malformed ones are passed over."""
    ranges = []
    for element in split_list(value):
        media_type, parameters = split_parameters(element)
        weight = parameters.pop("q", "1")
        kind, slash, subtype = media_type.partition("/")
        if not (kind and slash and subtype) or (kind == "*" and subtype != "*"):
            continue
        if _QVALUE.fullmatch(weight) is None:
            continue
        for name in _NOT_NARROWING & parameters.keys():
            del parameters[name]
        ranges.append(MediaRange(media_type.lower(), parameters, float(weight)))
    return ranges


def choose_media_type(accept: str | None, available: Sequence[str]) -> str | None:
    """Return the one of ``available`` that the client likes best, ``None`` if it takes none.

    ``accept`` is the joined value of Accept, ``None`` where there is none. ``available`` stands
    in the server's order of preference. Where weights are equal the type that the client names
    beats the one that falls under a wildcard, then the client's order counts, then the server's.
    """
    ranges = parse_accept(accept) if accept else []
    if not ranges:
        # RFC 9110 section 12.5.1: without Accept any media type will do.
        return available[0] if available else None
    best: str | None = None
    best_rank: tuple[float, tuple[int, int], int] | None = None
    for candidate in available:
        media_type, parameters = split_parameters(candidate)
        covering = [
            (media_range.specificity, -order, media_range.quality)
            for order, media_range in enumerate(ranges)
            if media_range.covers(media_type.lower(), parameters)
        ]
        if not covering:
            continue
        specificity, order, quality = max(covering)
        rank = (quality, specificity, order)
        if quality > 0 and (best_rank is None or rank > best_rank):
            best, best_rank = candidate, rank
    return best


def choose_coding(accept_encoding: str | None, available: Sequence[str]) -> str | None:
    """Return the one of ``available`` that the client likes best, or ``identity``; ``None`` if it
    takes none of them.

    ``accept_encoding`` is the joined value of Accept-Encoding, ``None`` where there is none;
    ``available`` are names of content codings in the server's order of preference, which decides
    between those that the client likes as much.
    """
    if accept_encoding is None:
        # RFC 9110 section 12.5.3: any coding will do then; who says nothing may know none.
        return IDENTITY
    weights = _coding_weights(accept_encoding)
    best, best_weight = None, 0.0
    for name in available:
        weight = weights.get(name, weights.get("*", 0.0))
        if weight > best_weight:
            best, best_weight = name, weight
    # Identity is acceptable unless it is refused, by name or by "*;q=0"; who does not name it
    # would rather have a coding.
    plain_weight = weights.get(IDENTITY)
    if plain_weight is None:
        is_plain_refused = weights.get("*") == 0.0
        return best or (None if is_plain_refused else IDENTITY)
    if plain_weight > best_weight or (best is None and plain_weight > 0):
        return IDENTITY
    return best


def _coding_weights(accept_encoding: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for element in split_list(accept_encoding):
        name, parameters = split_parameters(element)
        weight = parameters.get("q", "1")
        if _QVALUE.fullmatch(weight) is None:
            continue
        name = name.lower()
        # Section 8.4.1.3: x-gzip is gzip.
        weights.setdefault("gzip" if name == "x-gzip" else name, float(weight))
    return weights
