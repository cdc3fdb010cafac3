"""``longwire token``: what is made is accepted, and what is refused is explained."""

from __future__ import annotations

import base64
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from longwire.cli.main import main
from tests.unit.identity.forging import SECRET, make_key, make_token, write_public


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LONGWIRE_IDENTITY_SECRET", SECRET)
    yield tmp_path


def claims_of(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def make(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["token", "make", "--user", "ann", *arguments]) == 0
    return capsys.readouterr().out.strip()


def test_token_is_made_and_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--set", "identity.audiences=us,them", "--set", "identity.issuers=me"]
    given = ["--read", "chat/**", "--read", "news", "--claim", "role=editor", "--claim", "level=3"]
    token = make(capsys, "--expires", "15m", *given, *options)
    claims = claims_of(token)
    assert claims.pop("exp") - claims.pop("iat") == 900
    assert claims == {
        "sub": "ann",
        "iss": "me",
        "aud": "us",
        "streams": {"read": ["chat/**", "news"]},
        "role": "editor",
        "level": 3,
    }
    assert main(["token", "explain", token, *options]) == 0
    shown = capsys.readouterr().out
    assert shown.endswith("accepted\n")
    assert '"role": "editor"' in shown and "UTC, in " in shown


def test_refusal_names_what_is_wrong_and_the_setting(capsys: pytest.CaptureFixture[str]) -> None:
    token = make_token({"sub": "ann", "exp": 1})
    assert main(["token", "explain", token, "--set", "identity.audiences=us"]) == 1
    shown = capsys.readouterr().out
    assert "(1970-01-01 00:00:01 UTC, " in shown
    assert "refused: the token expired" in shown and "(identity.leeway_s)" in shown
    assert "refused: the token names no audience (identity.audiences)" in shown


def test_key_file_signs(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    private = folder / "private.pem"
    private.write_bytes(make_key("P-256").as_pem(private=True))  # type: ignore[union-attr]
    token = make(capsys, "--key", str(private), "--expires", "none")
    assert "exp" not in claims_of(token)
    (public,) = write_public(folder, "P-256")
    assert main(["token", "explain", token, "--set", f"identity.key_files={public}"]) == 0


def test_token_from_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(make(capsys) + "\n"))
    assert main(["token", "explain"]) == 0


def test_token_that_a_server_would_refuse_is_made_with_a_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["--expires", "2d", "--set", "identity.lifetime_max_s=60"]
    assert main(["token", "make", "--user", "ann", *options]) == 0
    captured = capsys.readouterr()
    assert captured.out.count(".") == 2
    assert "identity.lifetime_max_s" in captured.err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["make"], 2, "--user"),
        (["make", "--user", "a", "--expires", "soon"], 2, "15m"),
        (["make", "--user", "a", "--claim", "x"], 2, "NAME=VALUE"),
        (["make", "--user", "a", "--key", "nowhere"], 2, "No such file"),
        (["make", "--user", "a", "--key", "RSA.pem"], 78, "no key that can sign"),
        (["make", "--user", "a", "--key", "junk"], 2, "neither PEM nor JSON"),
        (["make", "--user", "a", "--algorithm", "RS256"], 2, "HS256"),
        (["make", "--user", "a", "--algorithm", "none"], 2, "none"),
        (["make", "--user", "a", "--set", "identity.secret=none"], 78, "--key"),
        (["explain", "x", "--set", "identity.secret=none"], 78, "identity.secret"),
        (["explain", "a.b.c", "--set", "identity.jwks_url=http://127.0.0.1:1/"], 1, ""),
        (["explain", "x", "--set", "identity.secret=short"], 2, "32"),
    ],
)
def test_wrong_use_says_what_would_be_right(
    arguments: list[str],
    code: int,
    says: str,
    capsys: pytest.CaptureFixture[str],
    folder: Path,
) -> None:
    write_public(folder, "RSA")
    (folder / "junk").write_text("junk")
    assert main(["token", *arguments]) == code
    captured = capsys.readouterr()
    assert says in captured.err
    assert SECRET not in captured.err + captured.out


def test_keys_that_cannot_be_fetched_are_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    token = make_token({"sub": "ann"}, "RS256")
    setting = "identity.jwks_url=http://127.0.0.1:1/keys"
    assert main(["token", "explain", token, "--set", setting]) == 69
    assert "could not be read" in capsys.readouterr().err


def test_what_a_stranger_wrote_does_not_steer_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["token", "explain", make_token({"sub": "\x1b[31mann", "x\x1b": 1})])
    assert "\x1b" not in capsys.readouterr().out


def test_secret_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show"]) == 0
    captured = capsys.readouterr()
    assert 'secret = "***"' in captured.out
    assert SECRET not in captured.out


def test_api_key_is_made(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    assert main(["token", "key", "billing", "--publish", "orders/**", "--read", "a"]) == 0
    captured = capsys.readouterr()
    key, line = captured.out.strip(), captured.err
    assert key not in line
    assert line.startswith('api_keys = ["billing ') and 'read=a publish=orders/**"]' in line
    (folder / "longwire.toml").write_text(f"[identity]\n{line}")
    assert main(["config", "check"]) == 0
    assert main(["config", "show"]) == 0
    assert 'api_keys = "***"' in capsys.readouterr().out
    assert main(["token", "key", "a b"]) == 2
    assert main(["token", "key", "a", "--read", "x//y"]) == 2
