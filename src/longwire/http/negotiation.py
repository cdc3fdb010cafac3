"""Which of several representations a client would rather have (RFC 9110 section 12)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from longwire.http.field_values import split_list, split_parameters

__all__ = ["MediaRange", "choose_media_type", "parse_accept"]

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
