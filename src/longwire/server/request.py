# cython: annotation_typing=False, auto_pickle=False
"""A request as handlers of an :class:`~longwire.server.app.App` see it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import parse_qsl

from longwire.base.limits import FormLimits
from longwire.http.conditions import Validators
from longwire.http.request_received import RequestReceived
from longwire.server.errors import HttpError
from longwire.server.forms import Form, read_form
from longwire.server.preconditions import check_conditions

__all__ = ["Query", "Request", "RequestSource", "split_target"]

_QUERY_FIELDS_MAX = 1000


def split_target(target: str) -> tuple[str, str]:
    """Split the target of a request into its path and its query, both as they stood."""
    if "?" not in target:
        return target, ""
    path, _, query = target.partition("?")
    return path, query


class Query:
    """The query of a URL: names and values in order, names may repeat."""

    __slots__ = ("_pairs", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._pairs = parse_qsl(
                text, keep_blank_values=True, errors="replace", max_num_fields=_QUERY_FIELDS_MAX
            )
        except ValueError:
            message = f"The query has more than {_QUERY_FIELDS_MAX} fields."
            raise HttpError(400, message) from None

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the first value of ``name``."""
        return next((value for key, value in self._pairs if key == name), default)

    def get_all(self, name: str) -> list[str]:
        """Return every value of ``name`` in order."""
        return [value for key, value in self._pairs if key == name]

    def items(self) -> list[tuple[str, str]]:
        """Return all pairs in order."""
        return list(self._pairs)

    def __contains__(self, name: object) -> bool:
        return any(key == name for key, _ in self._pairs)

    def __repr__(self) -> str:
        return f"Query({self._pairs!r})"


class RequestSource(Protocol):
    """Where a request comes from, and its body."""

    @property
    def remote_address(self) -> Any: ...

    async def read(self) -> bytes: ...

    async def read_body(self) -> bytes: ...


class Request:
    """One request.

    ``path`` is as it stood in the request, ``path_parameters`` are decoded. ``authority`` is the
    host, with its port, that the client asked for. The body is read on demand and kept; it is at
    most ``http.body_bytes_max`` long.
    """

    __slots__ = (
        "__weakref__",
        "_body",
        "_form",
        "_form_limits",
        "_id",
        "_query",
        "_source",
        "authority",
        "headers",
        "method",
        "path",
        "path_parameters",
        "query_text",
        "root_path",
        "scheme",
    )

    def __init__(
        self,
        head: RequestReceived,
        source: RequestSource,
        form_limits: FormLimits,
        root_path: str = "",
    ) -> None:
        self.method = head.method
        self.path, self.query_text = split_target(head.target)
        self.headers = head.headers
        self.scheme = head.scheme
        self.authority = head.authority
        self.path_parameters: Mapping[str, str] = {}
        self.root_path = root_path
        self._source = source
        self._form_limits = form_limits
        self._form: Form | None = None
        self._body: bytes | None = None
        self._id: str | None = None
        self._query: Query | None = None

    @property
    def remote_address(self) -> Any:
        """Who sent it: ``(host, port)``, the path of a Unix socket, or ``None``."""
        return self._source.remote_address

    @property
    def id(self) -> str:
        """What names the request in the log; made up when somebody asks."""
        if self._id is None:
            self._id = secrets.token_hex(8)
        return self._id

    @property
    def query(self) -> Query:
        """The query, parsed."""
        if self._query is None:
            self._query = Query(self.query_text)
        return self._query

    async def body(self) -> bytes:
        """Return the whole body.

        Raises an error that answers 413 when it is too long. Not cancel-safe: a body whose
        reading was cancelled is lost.
        """
        if self._body is None:
            self._body = await self._source.read_body()
        return self._body

    async def text(self) -> str:
        """Return the body as UTF-8 text; answers 400 when it is none, 415 when it is compressed.
        Cancellation as ``body``."""
        self._demand_plain_body()
        try:
            return (await self.body()).decode("utf-8")
        except UnicodeDecodeError as error:
            message = f"The body is not UTF-8 text: byte {error.start} is wrong."
            raise HttpError(400, message) from None

    async def json(self) -> Any:
        """Return the body as JSON; answers 400 when it is none. Cancellation as ``body``."""
        try:
            return json.loads(await self.text())
        except json.JSONDecodeError as error:
            message = (
                f"The body is not JSON: {error.msg}, line {error.lineno} column {error.colno}."
            )
            raise HttpError(400, message) from None
        except RecursionError:
            raise HttpError(400, "The body is JSON that is nested too deep.") from None

    async def form(self) -> Form:
        """Return the body as a form, urlencoded or ``multipart/form-data``.

        Answers 400 for a malformed one, 411 when there is no body, 413 past a limit of the section
        [forms], 415 for anything else. Its files go when the request has been answered. Call it
        instead of ``body``. Not cancel-safe.
        """
        if self._form is None:
            self._demand_plain_body()
            self._form = await read_form(self._source.read, self.headers, self._form_limits)
        return self._form

    def check_conditions(
        self,
        *,
        etag: str | None = None,
        last_modified_s: float | None = None,
        exists: bool = True,
    ) -> None:
        """Hold the conditions of the request against what is there, before it is changed.

        ``etag`` (with its quotes) and ``last_modified_s`` (seconds since 1970) are of the current
        state; ``exists=False``: there is none yet. Answers 412 when the client believes something
        else (If-Match, If-Unmodified-Since, If-None-Match; RFC 9110 section 13), 304 for a GET of
        what it has. What a handler answers to GET with an ``ETag`` needs no call.
        """
        modified = None if last_modified_s is None else int(last_modified_s)
        validators = Validators(etag, modified)
        check_conditions(self.method, self.headers, validators, exists=exists)

    def release(self) -> None:
        """Let go what was held for the handler."""
        if self._form is not None:
            self._form.close()

    def _demand_plain_body(self) -> None:
        coding = self.headers.joined("Content-Encoding")
        if coding is not None and coding.strip().lower() not in ("", "identity"):
            # RFC 9110 section 15.5.16: Accept-Encoding says what would be taken.
            message = f"A body in the content coding {coding[:40]!r} is not taken here."
            raise HttpError(415, message, {"Accept-Encoding": "identity"})

    def __repr__(self) -> str:
        return f"<Request {self.id} {self.method} {self.path}>"
