"""Settings from ``longwire.toml``, then ``LONGWIRE_*`` variables, then flags; the last one wins.

Nothing is guessed: an unknown key, a wrong kind and a value out of range are errors that say
where they stand, what was found and what would be right. All of them are found in one go.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longwire.base.errors import ConfigError
from longwire.server.config_rules import check_rules
from longwire.server.setting_fields import (
    SettingField,
    SettingValue,
    WrongValueError,
    describe_value,
    sections,
    setting_fields,
)
from longwire.server.settings import Settings
from longwire.server.toml_lines import KeyPath, find_key_lines, line_of

__all__ = ["CONFIG_FILE", "Configuration", "Flag", "SettingsError", "load_settings"]

CONFIG_FILE = "longwire.toml"
"""The file that is read from the working directory when none is named."""

_PREFIX = "LONGWIRE_"

# Variables of the name space that are no settings: the file to read, the key that commands show to
# a server, and what building and testing longwire itself go by.
_OTHER_VARIABLES = frozenset(
    {
        "LONGWIRE_API_KEY",
        "LONGWIRE_CONFIG",
        "LONGWIRE_EXTENSIONS",
        "LONGWIRE_HYPOTHESIS",
        "LONGWIRE_REQUIRE_ALL",
        "LONGWIRE_TEST_BUILD",
    }
)

# Kubernetes tells every container about a Service called "longwire" in variables of these names.
_KUBERNETES_NAME = re.compile(
    r"LONGWIRE_(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_KUBERNETES_PORT = re.compile(r"(tcp|udp|sctp)://")

_TOML_PLACE = re.compile(
    r"^(?P<what>.*?) \(at (?:line (?P<line>\d+), column \d+|end of document)\)$"
)


@dataclass(frozen=True, slots=True)
class Flag:
    """One setting from the command line: how the flag is called, and its text."""

    name: str
    section: str
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings, and where each that is not a default came from."""

    settings: Settings
    sources: Mapping[KeyPath, str]
    file: Path | None


class SettingsError(ConfigError):
    """Some settings are wrong; ``problems`` holds all of them, in the order they were found."""

    def __init__(self, problems: Iterable[ConfigError]) -> None:
        self.problems = list(problems)
        first = self.problems[0]
        super().__init__(first.path, first.message, hint=first.hint)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


def load_settings(
    file: Path | None, environment: Mapping[str, str], flags: Iterable[Flag] = ()
) -> Configuration:
    """Read all sources.

    ``file`` of ``None`` means the file that ``LONGWIRE_CONFIG`` names, else ``longwire.toml`` in
    the working directory if there is one.

    Raises :exc:`SettingsError`.
    """
    loader = _Loader()
    file = _choose_file(file, environment)
    if file is not None:
        loader.read_file(file)
    loader.read_environment(environment)
    loader.read_flags(flags)
    settings = loader.build()
    loader.problems += check_rules(settings, loader.sources, loader.broken)
    if loader.problems:
        raise SettingsError(loader.problems)
    return Configuration(settings, loader.sources, file)


def _choose_file(file: Path | None, environment: Mapping[str, str]) -> Path | None:
    if file is not None:
        return file
    named = environment.get("LONGWIRE_CONFIG")
    if named:
        return Path(named)
    return Path(CONFIG_FILE) if Path(CONFIG_FILE).exists() else None


class _Loader:
    def __init__(self) -> None:
        self.values: dict[KeyPath, SettingValue] = {}
        self.sources: dict[KeyPath, str] = {}
        self.problems: list[ConfigError] = []
        self.broken: set[KeyPath] = set()

    def read_file(self, file: Path) -> None:
        try:
            text = file.read_bytes().decode("utf-8")
            document = tomllib.loads(text)
        except OSError as error:
            hint = "name an existing file with --config, or leave it out"
            self._refuse(str(file), f"cannot be read: {error.strerror}", hint)
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            self._refuse(f"{file}:{line}", "is not UTF-8", "TOML files are UTF-8 text")
        except tomllib.TOMLDecodeError as error:
            self._refuse_toml(file, text, error)
        else:
            self._read_document(file, document, find_key_lines(text))

    def read_environment(self, environment: Mapping[str, str]) -> None:
        fields = {field.variable: field for field in setting_fields().values()}
        for name in sorted(environment):
            if not name.startswith(_PREFIX) or name in _OTHER_VARIABLES or name == _PREFIX:
                continue
            text = environment[name]
            if _KUBERNETES_NAME.fullmatch(name) or (
                name == "LONGWIRE_PORT" and _KUBERNETES_PORT.match(text)
            ):
                continue
            field = fields.get(name)
            if field is None:
                self._refuse(name, "is no setting", _nearest(name, fields))
            else:
                self._take_text(field, name, text)

    def read_flags(self, flags: Iterable[Flag]) -> None:
        fields = setting_fields()
        for flag in flags:
            field = fields.get((flag.section, flag.key))
            if field is None:
                known = [f"{section}.{key}" for section, key in fields]
                hint = _nearest(f"{flag.section}.{flag.key}", known)
                self._refuse(flag.name, f"{flag.section}.{flag.key} is no setting", hint)
            else:
                self._take_text(field, flag.name, flag.text)

    def build(self) -> Settings:
        """The settings from what was good; what was wrong has its default."""
        built: dict[str, Any] = {}
        for section, kind in sections().items():
            given = {path[1]: value for path, value in self.values.items() if path[0] == section}
            built[section] = kind(**given)
        return Settings(**built)

    def _read_document(
        self, file: Path, document: Mapping[str, Any], lines: Mapping[KeyPath, int]
    ) -> None:
        known = sections()
        for section, content in document.items():
            where = f"{file}:{line_of(lines, (section,))}"
            if section not in known:
                self._refuse_section(where, section, content)
            elif not isinstance(content, dict):
                found = describe_value(content)
                self._refuse(where, f"{section} is {found}", f"write a table: [{section}]")
            else:
                for key, value in content.items():
                    where = f"{file}:{line_of(lines, (section, key))}"
                    self._take_key(where, section, key, value)

    def _refuse_section(self, where: str, section: str, content: object) -> None:
        if isinstance(content, dict):
            message = f"[{section}] is no section"
            self._refuse(where, message, _nearest(section, sections(), form="[{}]"))
            return
        owners = [owner for owner, key in setting_fields() if key == section]
        if owners:
            hint = f"it belongs under [{owners[0]}]"
        else:
            hint = "settings stand in sections: " + ", ".join(f"[{name}]" for name in sections())
        self._refuse(where, f"{section} stands outside of any section", hint)

    def _take_key(self, where: str, section: str, key: str, value: object) -> None:
        field = setting_fields().get((section, key))
        if field is None:
            names = [name for owner, name in setting_fields() if owner == section]
            owners = [owner for owner, name in setting_fields() if name == key]
            hint = f"it belongs under [{owners[0]}]" if owners else _nearest(key, names)
            self._refuse(where, f"{section}.{key} is no setting", hint)
            return
        try:
            self.values[section, key] = field.convert(value)
        except WrongValueError as error:
            self._refuse(where, f"{section}.{key} {error.found}", error.wanted)
            self.broken.add((section, key))
        else:
            self.sources[section, key] = where

    def _take_text(self, field: SettingField, where: str, text: str) -> None:
        path = (field.section, field.name)
        try:
            self.values[path] = field.convert_text(text)
        except WrongValueError as error:
            self._refuse(where, f"{field.section}.{field.name} {error.found}", error.wanted)
            self.broken.add(path)
        else:
            self.sources[path] = where
            self.broken.discard(path)

    def _refuse_toml(self, file: Path, text: str, error: tomllib.TOMLDecodeError) -> None:
        match = _TOML_PLACE.match(str(error))
        if match is None:
            what, line = str(error), 1
        else:
            what = match["what"]
            line = int(match["line"] or text.count("\n") + 1)
        self._refuse(f"{file}:{line}", f"is not TOML: {what}", "see https://toml.io")

    def _refuse(self, where: str, message: str, hint: str) -> None:
        self.problems.append(ConfigError(where, message, hint=hint))


def _nearest(name: str, known: Iterable[str], form: str = "{}") -> str:
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {form.format(close[0])}?"
    if len(names) <= 12:
        return "there are " + ", ".join(form.format(name) for name in names)
    return "docs/configuration.md lists all settings"
