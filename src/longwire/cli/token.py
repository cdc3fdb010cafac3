"""``longwire token``: make tokens and API keys, explain what a token says and why it would be
refused, revoke users."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from longwire.base.limits import KIB
from longwire.cli.config import config_option, parse_set_flags, read_configuration, set_option
from longwire.cli.exit_codes import CONFIG, FAILED, UNAVAILABLE, USAGE, CommandError
from longwire.identity.api_keys import (
    API_KEY_PREFIX,
    OPERATE,
    ApiKeyError,
    describe_api_key,
    make_api_key,
)
from longwire.identity.compact import read_token
from longwire.identity.grants import ACTIONS
from longwire.identity.keys import ALGORITHMS, BadKeyError, SigningKey, read_secret
from longwire.identity.refusal import KeysUnavailableError, TokenRefused
from longwire.identity.setting_rules import read_key_file
from longwire.identity.settings import IdentitySettings
from longwire.identity.signing import sign_token
from longwire.identity.tokens import TokenVerifier
from longwire.net.http_client import FetchError, fetch

__all__ = ["token_group"]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

_PATTERN_HELP = "Streams that the token lets its user {}; may be repeated."

_REVOKE_TIMEOUT_S = 10.0

_KEY_HELP = "Streams that the backend may {}; may be repeated."


@click.group("token", no_args_is_help=True)
def token_group() -> None:
    """Make tokens and API keys, explain tokens, revoke users."""


def _read_duration(context: click.Context, parameter: click.Parameter, value: str) -> float | None:
    """Read a time such as ``90``, ``15m``, ``1h`` or ``30d`` as seconds; ``none``: no end."""
    if value == "none":
        return None
    match = _DURATION.fullmatch(value)
    if match is None:
        message = f'"{value}" is no time: write 90, 15m, 1h, 30d or none'
        raise click.BadParameter(message, context, parameter)
    return float(match[1]) * _UNITS_S[match[2]]


@token_group.command("make")
@click.option("--user", required=True, help="Whom the token names.")
@click.option(
    "--expires",
    "lifetime_s",
    callback=_read_duration,
    default="1h",
    show_default=True,
    metavar="TIME",
    help="For how long it is good: 90 (seconds), 15m, 1h, 30d or none.",
)
@click.option("--read", multiple=True, metavar="PATTERN", help=_PATTERN_HELP.format("read"))
@click.option(
    "--publish", multiple=True, metavar="PATTERN", help=_PATTERN_HELP.format("publish to")
)
@click.option("--manage", multiple=True, metavar="PATTERN", help=_PATTERN_HELP.format("end"))
@click.option("--presence", multiple=True, metavar="PATTERN", help=_PATTERN_HELP.format("enter"))
@click.option(
    "--claim",
    "texts",
    multiple=True,
    metavar="NAME=VALUE",
    help="A further claim; the value is JSON, or else text. May be repeated.",
)
@click.option(
    "--key",
    "key_file",
    metavar="FILE",
    help="Private key (PEM or JWK).  [default: the first of identity.secret and identity.key_files "
    "that can sign]",
)
@click.option(
    "--algorithm",
    type=click.Choice(ALGORITHMS),
    metavar="NAME",
    help="How to sign.  [default: the first of identity.algorithms that the key is for]",
)
@config_option
@set_option
def make_command(
    user: str,
    lifetime_s: float | None,
    texts: tuple[str, ...],
    key_file: str | None,
    algorithm: str | None,
    config_file: Path | None,
    set_flags: tuple[str, ...],
    **patterns: tuple[str, ...],
) -> None:
    """Sign a token and print it.

    Issuer, audience and the names of claims are those that the configuration asks for, so that a
    server with the same configuration accepts it. When it would not, that is said on standard
    error.
    """
    settings = read_configuration(config_file, parse_set_flags(set_flags)).settings.identity
    key = _find_key(settings, key_file)
    claims = _make_claims(settings, user, lifetime_s, patterns) | _read_claims(texts)
    try:
        token = sign_token(claims, key, algorithm or _choose_algorithm(settings, key))
    except ValueError as error:
        raise CommandError(USAGE, str(error)) from None
    click.echo(token)
    checking = replace(settings, key_files=(*settings.key_files, *([key_file] if key_file else ())))
    for problem in _find_problems(token, checking):
        click.echo(f"longwire: a server would refuse it: {_describe(problem)}", err=True)


@token_group.command("explain")
@click.argument("token", default="-")
@config_option
@set_option
def explain_command(token: str, config_file: Path | None, set_flags: tuple[str, ...]) -> int:
    """Show what TOKEN says, and whether a server with this configuration accepts it.

    Without TOKEN, or with "-", it is read from standard input, where no list of processes and no
    history of a shell shows it. Exit code 0 when it is accepted, 1 when not; each reason names the
    setting that decides.
    """
    settings = read_configuration(config_file, parse_set_flags(set_flags)).settings.identity
    text = (sys.stdin.read() if token == "-" else token).strip()
    _show(text, settings)
    if not settings.has_keys:
        message = "no key is configured: no token is accepted but by an application"
        raise CommandError(CONFIG, f"{message} (identity.secret, key_files or jwks_url)")
    problems = _find_problems(text, settings)
    if not problems:
        click.echo("accepted")
        return 0
    for problem in problems:
        click.echo(f"refused: {_describe(problem)}")
    return FAILED


@token_group.command("key")
@click.argument("name")
@click.option("--read", multiple=True, metavar="PATTERN", help=_KEY_HELP.format("read"))
@click.option("--publish", multiple=True, metavar="PATTERN", help=_KEY_HELP.format("publish to"))
@click.option("--manage", multiple=True, metavar="PATTERN", help=_KEY_HELP.format("end"))
@click.option("--presence", multiple=True, metavar="PATTERN", help=_KEY_HELP.format("enter"))
@click.option("--operate", "is_operator", is_flag=True, help="Let it revoke users.")
def key_command(name: str, is_operator: bool, **patterns: tuple[str, ...]) -> None:
    """Make an API key for the backend NAME.

    The key itself is printed on standard output and kept nowhere; the line for the setting
    identity.api_keys, which holds its hash, on standard error.
    """
    key = make_api_key(secrets.token_bytes)
    grants = [f"{action}={text}" for action in ACTIONS for text in patterns[action]]
    grants += [OPERATE] if is_operator else []
    try:
        line = describe_api_key(name, key, grants)
    except ApiKeyError as error:
        raise CommandError(USAGE, str(error)) from None
    click.echo(f'api_keys = ["{line}"]', err=True)
    click.echo(key)


@token_group.command("revoke")
@click.argument("user")
@click.option(
    "--server",
    "url",
    default="http://127.0.0.1:8080",
    show_default=True,
    metavar="URL",
    help="The server to tell; those on the same store hear of it too.",
)
@click.option(
    "--key-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The API key, which must be one that may operate.  [default: $LONGWIRE_API_KEY]",
)
def revoke_command(user: str, url: str, key_file: Path | None) -> None:
    """Let USER in no longer with what he has until now.

    His connections are closed with a word to stay away, and his tokens and sessions of before are
    refused. A token that is issued from the next second on is good.
    """
    key = _read_api_key(key_file)
    target = f"{url.rstrip('/')}/api/users/{quote(user, safe='')}/revoke"
    try:
        answer = asyncio.run(
            fetch(
                target,
                method="POST",
                headers={"Authorization": f"Bearer {key}", "Accept": "text/plain"},
                timeout_s=_REVOKE_TIMEOUT_S,
                body_bytes_max=64 * KIB,
            )
        )
    except FetchError as error:
        raise CommandError(UNAVAILABLE, f"{url}: {error}") from None
    if answer.status != 204:
        said = answer.body.decode(errors="replace").strip()
        raise CommandError(
            FAILED, f"{url} refused: {said if said.isprintable() else answer.status}"
        )
    click.echo(f"longwire: {user} is revoked")


def _read_api_key(key_file: Path | None) -> str:
    if key_file is not None:
        try:
            key = key_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise CommandError(USAGE, f"--key-file {key_file}: {reason}") from None
    else:
        key = os.environ.get("LONGWIRE_API_KEY", "").strip()
    if not key.startswith(API_KEY_PREFIX) or not key.isascii() or not key.isprintable():
        hint = "`longwire token key NAME --operate` makes one"
        raise CommandError(USAGE, f"there is no API key ({hint}; give it with LONGWIRE_API_KEY)")
    return key


def _find_problems(token: str, settings: IdentitySettings) -> list[TokenRefused]:
    try:
        return asyncio.run(_explain(token, settings))
    except KeysUnavailableError:
        where = f"the keys of {settings.jwks_url} could not be read"
        raise CommandError(UNAVAILABLE, f"{where}, so the token cannot be checked") from None


async def _explain(token: str, settings: IdentitySettings) -> list[TokenRefused]:
    return await TokenVerifier(settings).explain(token)


def _describe(problem: TokenRefused) -> str:
    return problem.message + (f" ({problem.setting})" if problem.setting else "")


# -- making -------------------------------------------------------------------------------------


def _find_key(settings: IdentitySettings, key_file: str | None) -> SigningKey:
    if key_file is not None:
        try:
            keys = read_key_file(key_file, settings.keys_bytes_max)
        except OSError as error:
            raise CommandError(USAGE, f"--key {key_file}: {error.strerror}") from None
        except BadKeyError as error:
            raise CommandError(USAGE, f"--key {key_file}: {error}") from None
    else:
        keys = tuple(_configured_keys(settings))
    private = [key for key in keys if key.is_private]
    if not private:
        where = "the configuration has no key" if key_file is None else f"--key {key_file}: no key"
        hint = "name a private key with --key, or set identity.secret"
        raise CommandError(CONFIG, f"{where} that can sign ({hint})")
    return private[0]


def _configured_keys(settings: IdentitySettings) -> list[SigningKey]:
    keys = [] if settings.secret is None else [read_secret(settings.secret)]
    for path in settings.key_files:
        keys += read_key_file(path, settings.keys_bytes_max)
    return keys


def _choose_algorithm(settings: IdentitySettings, key: SigningKey) -> str | None:
    return next((name for name in settings.algorithms if name in key.algorithms), None)


def _make_claims(
    settings: IdentitySettings,
    user: str,
    lifetime_s: float | None,
    patterns: Mapping[str, tuple[str, ...]],
) -> dict[str, Any]:
    now_s = int(time.time())
    claims: dict[str, Any] = {settings.user_claim: user, "iat": now_s}
    if lifetime_s is not None:
        claims["exp"] = int(now_s + lifetime_s)
    if settings.issuers:
        claims["iss"] = settings.issuers[0]
    if settings.audiences:
        claims["aud"] = settings.audiences[0]
    granted = {action: list(patterns[action]) for action in ACTIONS if patterns[action]}
    if granted:
        claims[settings.permissions_claim] = granted
    return claims


def _read_claims(texts: tuple[str, ...]) -> dict[str, Any]:
    claims: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise CommandError(USAGE, f'--claim "{text}": write NAME=VALUE, such as role=editor')
        try:
            claims[name] = json.loads(value)
        except ValueError:
            claims[name] = value
    return claims


# -- showing ------------------------------------------------------------------------------------


def _show(token: str, settings: IdentitySettings) -> None:
    """Print what can be read; what cannot be is among the problems."""
    try:
        parts = read_token(token, settings.token_bytes_max)
        click.echo(f"header: {_spell(parts.header)}")
        claims = parts.claims()
    except TokenRefused:
        return
    for name, value in claims.items():
        click.echo(f"{_spell(name)}: {_spell(value)}{_moment(name, value)}")


def _spell(value: Any) -> str:
    # ASCII: what somebody else wrote must not steer a terminal.
    return json.dumps(value)


def _moment(name: str, value: Any) -> str:
    """The time that a claim means, in words."""
    if name not in ("exp", "nbf", "iat", "auth_time") or isinstance(value, bool):
        return ""
    try:
        when = datetime.fromtimestamp(value, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return ""
    distance_s = value - time.time()
    said = f"in {distance_s:.0f} s" if distance_s >= 0 else f"{-distance_s:.0f} s ago"
    return f"  ({when:%Y-%m-%d %H:%M:%S} UTC, {said})"
