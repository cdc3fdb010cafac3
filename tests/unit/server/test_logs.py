"""What stands in the log, and what must not."""

from __future__ import annotations

import logging

import pytest

from longwire.server.logs import configure_logging, redact
from longwire.server.settings import LogSettings
from tests.unit.identity.forging import make_token


@pytest.fixture(autouse=True)
def log_as_it_was():
    root, access = logging.getLogger(), logging.getLogger("longwire.access")
    kept = root.handlers[:], root.level, access.level
    yield
    root.handlers[:] = kept[0]
    root.setLevel(kept[1])
    access.setLevel(kept[2])


@pytest.mark.parametrize(
    "text",
    [
        "who is {}?",
        "('{}',)",
        "Authorization: Bearer {}",
        "GET /a?x=1&access_token={}&y=2",
        "longwire.token.{}, longwire.v1.json",
    ],
)
def test_tokens_are_blotted_out(text: str) -> None:
    token = make_token()
    for secret in (token, token.rpartition(".")[0] + ".", "lwk_" + "A1-_" * 11):
        shown = redact(text.format(secret))
        assert shown == text.format("***")


@pytest.mark.parametrize(
    "text",
    [
        "longwire.server: listening on http://127.0.0.1:8080",
        "keyJuice.of.oranges",
        "no access_token= here",
        "eyJ is how they begin",
        "chat/lobby 0000000000000007_zzzzzzzz0123456789abcdef",
    ],
)
def test_the_rest_stays(text: str) -> None:
    assert redact(text) == text


def test_exceptions_are_blotted_out_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogSettings())
    token = make_token()
    try:
        raise RuntimeError(f"cannot look up {token}")
    except RuntimeError:
        logging.getLogger("an.application").exception("with %s", token)
    shown = capsys.readouterr().err
    assert "RuntimeError: cannot look up ***" in shown and "with ***" in shown
    assert not any(part in shown for part in token.split("."))


def test_one_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(LogSettings())
    logging.getLogger("a").warning("%s", "one\n\x1b[31mtwo")
    assert capsys.readouterr().err.count("\n") == 1
