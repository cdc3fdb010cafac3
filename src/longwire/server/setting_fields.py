"""What one setting may be: derived from the sections, used to check values and to document them."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import math
import textwrap
import types
import typing
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from longwire.server.settings import Settings

__all__ = [
    "SettingField",
    "SettingValue",
    "default_text",
    "describe_value",
    "section_text",
    "sections",
    "setting_fields",
]

SettingValue = bool | int | float | str | tuple[str, ...] | None

_NOT_SET = "none"
_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")
_SHOWN_MAX = 60

# Limits come as they are, without a range of their own; where zero means something it is named.
_ZERO_ALLOWED = frozenset(
    {("native", "heartbeat_s"), ("events", "retry_ms"), ("durable", "page_cache_bytes_max")}
)


class WrongValueError(ValueError):
    """The value does not fit; ``found`` and ``wanted`` are the halves of a sentence."""

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(f"{found}; {wanted}")
        self.found = found
        self.wanted = wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingField:
    """One setting: how it is called everywhere, and which values it takes."""

    section: str
    name: str
    kind: Literal["bool", "int", "float", "str", "texts"]
    is_optional: bool
    default: SettingValue
    minimum: float | None
    is_minimum_allowed: bool
    maximum: float | None
    choices: tuple[str, ...]
    is_secret: bool
    """Whether the value is never shown."""
    documentation: str

    @property
    def variable(self) -> str:
        """The environment variable: the section is left out for ``[server]``."""
        if self.section == "server":
            return f"LONGWIRE_{self.name.upper()}"
        return f"LONGWIRE_{self.section.upper()}_{self.name.upper()}"

    @property
    def wanted(self) -> str:
        """What would be right, to stand after "write"."""
        if self.kind == "bool":
            text = "true or false"
        elif self.kind == "texts":
            text = 'a list of texts such as ["one", "two"]'
        elif self.choices:
            quoted = [f'"{choice}"' for choice in self.choices]
            text = " or ".join([", ".join(quoted[:-1]), quoted[-1]])
        elif self.kind == "str":
            text = "a text"
        else:
            text = self._wanted_number()
        return f'{text}, or "{_NOT_SET}"' if self.is_optional else text

    def _wanted_number(self) -> str:
        text = "a whole number" if self.kind == "int" else "a number"
        if self.name.endswith("_s"):
            text += " of seconds"
        elif "_bytes_" in self.name or self.name.endswith("_bytes"):
            text += " of bytes"
        if self.minimum is not None and self.minimum == self.maximum:
            return f"{self.minimum:g}, all that is built yet"
        if self.minimum is not None and self.maximum is not None:
            return f"{text} from {self.minimum:g} to {self.maximum:g}"
        if self.minimum is None:
            return text
        if self.is_minimum_allowed:
            return f"{text}, {self.minimum:g} or more"
        return f"{text} above {self.minimum:g}"

    def convert(self, value: object) -> SettingValue:
        """Check a value as TOML has it; raise :exc:`WrongValueError` when it does not fit."""
        if self.is_optional and value == _NOT_SET:
            return None
        fits = {
            "bool": isinstance(value, bool),
            "int": isinstance(value, int) and not isinstance(value, bool),
            "float": isinstance(value, (int, float)) and not isinstance(value, bool),
            "str": isinstance(value, str),
            "texts": isinstance(value, list) and all(isinstance(item, str) for item in value),
        }[self.kind]
        if not fits:
            found = "is no text" if self.is_secret else f"is {describe_value(value)}"
            raise WrongValueError(found, f"write {self.wanted}")
        if isinstance(value, list):
            return tuple(value)
        if isinstance(value, str):
            return self._convert_text(value)
        if self.kind == "bool":
            return bool(value)
        return self._check_number(value)

    def convert_text(self, text: str) -> SettingValue:
        """Check a value as a variable or a flag has it: everything is text."""
        text = text.strip()
        if self.is_optional and text.lower() == _NOT_SET:
            return None
        if self.kind == "str":
            return self._convert_text(text)
        if self.kind == "texts":
            return tuple(part for item in text.split(",") if (part := item.strip()))
        if self.kind == "bool":
            if text.lower() in _TRUE:
                return True
            if text.lower() in _FALSE:
                return False
        else:
            try:
                number = int(text) if self.kind == "int" else float(text)
            except ValueError:
                pass
            else:
                return self._check_number(number)
        raise WrongValueError(f"is {describe_value(text)}", f"write {self.wanted}")

    def _convert_text(self, text: str) -> str:
        if (self.choices and text not in self.choices) or not text:
            raise WrongValueError(f"is {describe_value(text)}", f"write {self.wanted}")
        return text

    def _check_number(self, value: Any) -> int | float:
        is_too_small = self.minimum is not None and (
            value < self.minimum or (value == self.minimum and not self.is_minimum_allowed)
        )
        is_too_large = self.maximum is not None and value > self.maximum
        if is_too_small or is_too_large or not math.isfinite(value):
            raise WrongValueError(f"is {describe_value(value)}", f"write {self.wanted}")
        return float(value) if self.kind == "float" else int(value)


def describe_value(value: object) -> str:
    """Spell a value as TOML does, with its kind where the spelling does not show it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        shown = value if len(value) <= _SHOWN_MAX else value[:_SHOWN_MAX] + "…"
        return '"' + shown.encode("unicode_escape").decode("ascii").replace('"', '\\"') + '"'
    if isinstance(value, (list, tuple)):
        if not all(isinstance(item, (bool, int, float, str)) for item in value):
            return "a list of other things than texts"
        return "[" + ", ".join(describe_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "a table"
    if value is None:
        return f'"{_NOT_SET}"'
    return str(value)


def default_text(field: SettingField) -> str:
    """The default as one writes it in the file."""
    if isinstance(field.default, float) and field.default.is_integer():
        return str(int(field.default))
    return describe_value(field.default)


@cache
def sections() -> dict[str, type]:
    """The sections by name, in the order of :class:`Settings`."""
    hints = typing.get_type_hints(Settings)
    return {field.name: hints[field.name] for field in dataclasses.fields(Settings)}


@cache
def setting_fields() -> dict[tuple[str, str], SettingField]:
    """Every setting by (section, name)."""
    return {
        (section, field.name): _describe_field(section, field, kind)
        for section, kind in sections().items()
        for field in dataclasses.fields(kind)
    }


def _describe_field(section: str, field: dataclasses.Field[Any], owner: type) -> SettingField:
    kind, is_optional = _kind_of(typing.get_type_hints(owner)[field.name])
    # A number without a range of its own counts something: a limit or a time of zero is no limit
    # that anything could pass, so it is a mistake.
    is_zero_allowed = (section, field.name) in _ZERO_ALLOWED
    default_minimum = {"int": 0 if is_zero_allowed else 1, "float": 0}.get(kind)
    return SettingField(
        section=section,
        name=field.name,
        kind=kind,
        is_optional=is_optional,
        default=typing.cast(SettingValue, field.default),
        minimum=field.metadata.get("minimum", default_minimum),
        is_minimum_allowed="minimum" in field.metadata or kind == "int" or is_zero_allowed,
        maximum=field.metadata.get("maximum"),
        choices=field.metadata.get("choices", ()),
        is_secret=field.metadata.get("is_secret", False),
        documentation=_documentation(owner).get(field.name, ""),
    )


def _kind_of(hint: Any) -> tuple[Literal["bool", "int", "float", "str", "texts"], bool]:
    is_optional = False
    if isinstance(hint, types.UnionType):
        arguments = [argument for argument in typing.get_args(hint) if argument is not type(None)]
        is_optional = len(arguments) < len(typing.get_args(hint))
        (hint,) = arguments
    if hint is bool:
        return "bool", is_optional
    if hint is int:
        return "int", is_optional
    if hint is float:
        return "float", is_optional
    if hint is str:
        return "str", is_optional
    if hint == tuple[str, ...]:
        return "texts", is_optional
    raise TypeError(f"a setting cannot be of type {hint}")


@cache
def _documentation(owner: type) -> dict[str, str]:
    """The docstrings under the fields of a dataclass, which Python itself does not keep."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
    except OSError:  # installed without sources
        return {}
    found: dict[str, str] = {}
    name = None
    for statement in typing.cast(ast.ClassDef, tree.body[0]).body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name = statement.target.id
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            if name is not None:
                found[name] = inspect.cleandoc(str(statement.value.value))
            name = None
    return found


def section_text(section: str) -> str:
    """What a section is for, in a sentence."""
    return inspect.getdoc(sections()[section]) or ""
