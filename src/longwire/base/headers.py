# cython: annotation_typing=False, auto_pickle=False
"""Header fields: ordered, repeated names kept, names compared without case (RFC 9110 section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

__all__ = ["Headers", "HeadersLike"]

HeadersLike: TypeAlias = "Headers | Mapping[str, str] | Iterable[tuple[str, str]]"


class Headers:
    """The header fields of one message.

    Names keep the spelling they came with and are compared without case. Values are text whose
    characters are the octets (ISO 8859-1), as RFC 9110 section 5.5 has them.
    """

    __slots__ = ("_fields", "_is_shared")

    _fields: list[tuple[str, str]]

    def __init__(self, fields: HeadersLike = ()) -> None:
        self._is_shared = False
        """Whether another one may hold the same list: it is copied by who changes it first."""
        if isinstance(fields, Headers):
            self._share(fields)
        elif isinstance(fields, (tuple, list)) or not isinstance(fields, Mapping):
            self._fields = list(fields)
        else:
            self._fields = list(fields.items())

    def _share(self, other: Headers) -> None:
        self._fields = other._fields
        self._is_shared = other._is_shared = True

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the first value of ``name``."""
        wanted, length = name.lower(), len(name)
        for field, value in self._fields:
            # Most fields have a name of another length, which is the cheaper question.
            if len(field) == length and field.lower() == wanted:
                return value
        return default

    def get_all(self, name: str) -> list[str]:
        """Return every value of ``name`` in order."""
        wanted, length = name.lower(), len(name)
        return [
            value
            for field, value in self._fields
            if len(field) == length and field.lower() == wanted
        ]

    def joined(self, name: str) -> str | None:
        """Return the values of ``name`` as one list value (RFC 9110 section 5.3), or ``None``."""
        values = self.get_all(name)
        return ", ".join(values) if values else None

    def has_any(self, names: frozenset[str]) -> bool:
        """Tell whether any of ``names``, which are in lower case, is there."""
        for field, _ in self._fields:  # noqa: SIM110 - compiled, a loop is no generator
            if field.lower() in names:
                return True
        return False

    def add(self, name: str, value: str) -> None:
        """Append a field, whether or not the name is there already."""
        if self._is_shared:
            self._fields = list(self._fields)
            self._is_shared = False
        self._fields.append((name, value))

    def set(self, name: str, value: str) -> None:
        """Replace every field of this name by one."""
        self.remove(name)
        self._fields.append((name, value))

    def remove(self, name: str) -> None:
        """Take away every field of this name."""
        unwanted = name.lower()
        self._fields = [field for field in self._fields if field[0].lower() != unwanted]
        self._is_shared = False

    def items(self) -> list[tuple[str, str]]:
        """Return the fields in order, repeated names included."""
        return list(self._fields)

    def as_tuple(self) -> tuple[tuple[str, str], ...]:
        """Return the fields in order as something that can be looked up."""
        return tuple(self._fields)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        mine = [(name.lower(), value) for name, value in self._fields]
        return mine == [(name.lower(), value) for name, value in other._fields]

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[type[Headers], tuple[list[tuple[str, str]]]]:
        return Headers, (self._fields,)

    def __repr__(self) -> str:
        return f"Headers({self._fields!r})"
