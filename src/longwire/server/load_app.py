"""Find the application that ``longwire serve module:app`` names."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path

from longwire.base.errors import ConfigError
from longwire.server.app import App

__all__ = ["load_app"]


def load_app(name: str) -> App:
    """Import ``module:attribute`` (``app`` when no attribute is named) from the working directory.

    Raises :exc:`~longwire.base.errors.ConfigError` that says which part does not work, with the
    file and line where the module itself fails.
    """
    module_name, _, attribute = name.partition(":")
    attribute = attribute or "app"
    if module_name.endswith(".py") or "/" in module_name:
        dotted = module_name.removesuffix(".py").strip("./").replace("/", ".")
        hint = f"name the module, not its file: {dotted}:{attribute}"
        raise ConfigError(name, "is a path", hint=hint)
    if not all(part.isidentifier() for part in [*module_name.split("."), *attribute.split(".")]):
        raise ConfigError(name, "is no application", hint="write package.module:app")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        found: object = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            hint = f"modules are looked for in {folder} and where Python finds its own"
            raise ConfigError(name, f"there is no module {error.name}", hint=hint) from None
        raise _import_failed(name, module_name, error) from error
    except Exception as error:
        raise _import_failed(name, module_name, error) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            candidates = [key for key, value in vars(found).items() if isinstance(value, App)]
            hint = f"it has {', '.join(candidates)}" if candidates else "app = longwire.App()"
            raise ConfigError(name, f"{module_name} has no {attribute}", hint=hint)
        found = getattr(found, part)
    if not isinstance(found, App):
        kind = type(found).__name__
        hint = "longwire serve runs a longwire.App; an App can also be mounted in an ASGI server"
        raise ConfigError(name, f"{attribute} is of type {kind}", hint=hint)
    return found


def _import_failed(name: str, module_name: str, error: Exception) -> ConfigError:
    where = ""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "importlib" not in frame.filename]
    if isinstance(error, SyntaxError) and error.filename:
        where = f" at {error.filename}:{error.lineno}"
    elif len(own) > 1:
        where = f" at {own[-1].filename}:{own[-1].lineno}"
    message = f"importing {module_name} failed: {type(error).__name__}: {error}"
    return ConfigError(name, message + where)
