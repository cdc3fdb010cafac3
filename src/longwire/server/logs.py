"""How the server's log looks: one line for each event, on standard error."""

from __future__ import annotations

import logging
import re
import time

from longwire.server.settings import LogSettings

__all__ = ["configure_logging", "redact"]

# What gives access: JWTs (a header in JSON begins with {" or with white space, in base64url), API
# keys, and what a query holds as a token. longwire logs none of them; an exception of an
# application, or a library's message, may.
_SECRET = re.compile(
    r"\b(?:eyJ|ewo|ewk|eyA)[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"
    r"|\blwk_[A-Za-z0-9_-]{8,}"
    r"|(?<=access_token=)[^\s&\"']+"
)


def redact(text: str) -> str:
    """Return a text without the tokens and keys in it.

    >>> redact("GET /streams/a?access_token=abc&x=1")
    'GET /streams/a?access_token=***&x=1'
    """
    return _SECRET.sub("***", text)


class _LineFormatter(logging.Formatter):
    """``2026-11-22 10:45:04.123 INFO    longwire.server: text``; a traceback follows below."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        return f"{moment}.{int(record.msecs):03d}"

    def format(self, record: logging.LogRecord) -> str:
        # What a peer sent must not begin a line of its own or steer a terminal.
        message = record.getMessage()
        if not message.isprintable():
            record.msg = "".join(
                character if character.isprintable() else repr(character)[1:-1]
                for character in message
            )
            record.args = None
        return redact(super().format(record))


def configure_logging(settings: LogSettings) -> None:
    """Send the log of the whole process to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(_LineFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    logging.getLogger("longwire.access").setLevel("INFO" if settings.access else "WARNING")
