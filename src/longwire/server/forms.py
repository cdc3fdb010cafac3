"""Forms that clients send: fields and files, ``application/x-www-form-urlencoded`` and
``multipart/form-data``.

Files are read as they arrive, and lie on disk from ``forms.file_memory_bytes_max`` on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast
from urllib.parse import parse_qsl

from longwire.base.errors import LimitError, ProtocolError
from longwire.base.headers import Headers
from longwire.base.limits import FormLimits
from longwire.http.multipart import (
    MultipartReader,
    PartBegan,
    PartData,
    find_boundary,
)
from longwire.server.errors import HttpError, LimitHitError

__all__ = ["Form", "UploadedFile", "read_form"]

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

ReadPiece = Callable[[], Awaitable[bytes]]


class UploadedFile:
    """A file of a form. It is gone when the request has been answered."""

    __slots__ = ("file", "file_name", "headers", "name", "size")

    def __init__(self, name: str, file_name: str, headers: Headers, file: BinaryIO) -> None:
        self.name = name
        """Of the form's field."""
        self.file_name = file_name
        """What the client calls it: text to show, never a path to open. It may hold ``../``."""
        self.headers = headers
        """Of the part."""
        self.file = file
        """The bytes, at their beginning; reading may touch the disk."""
        self.size = 0
        """Bytes."""

    @property
    def content_type(self) -> str:
        """What the client says that it is (RFC 7578 section 4.4: text, where it says nothing)."""
        return self.headers.get("Content-Type") or "text/plain"

    async def read(self) -> bytes:
        """Return all of it. Cancelled, the next call starts at the beginning again."""

        def read_all() -> bytes:
            self.file.seek(0)
            return self.file.read()

        return await asyncio.get_running_loop().run_in_executor(None, read_all)

    def __repr__(self) -> str:
        return f"<UploadedFile {self.name!r} {self.file_name!r} {self.size} bytes>"


class Form:
    """Fields and files in the order in which they came; names may repeat."""

    __slots__ = ("_fields", "files")

    def __init__(self, fields: list[tuple[str, str]], files: list[UploadedFile]) -> None:
        self._fields = fields
        self.files = files

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the first value of a field."""
        return next((value for key, value in self._fields if key == name), default)

    def get_all(self, name: str) -> list[str]:
        """Return every value of a field."""
        return [value for key, value in self._fields if key == name]

    def items(self) -> list[tuple[str, str]]:
        """Return all fields; files are in ``files``."""
        return list(self._fields)

    def file(self, name: str) -> UploadedFile | None:
        """Return the first file of a field."""
        return next((file for file in self.files if file.name == name), None)

    def __contains__(self, name: object) -> bool:
        return any(key == name for key, _ in self._fields)

    def close(self) -> None:
        """Let the files go."""
        for upload in self.files:
            upload.file.close()


async def read_form(read: ReadPiece, headers: Headers, limits: FormLimits) -> Form:
    """Read a body as a form; ``read`` returns the next piece, nothing at the end.

    Raises ``HttpError``: 400 for what is malformed, 411 without a length and a body, 413 past a
    limit, 415 for another type. Cancelled, what was read is lost.
    """
    content_type = headers.get("Content-Type") or ""
    kind = content_type.partition(";")[0].strip().lower()
    try:
        if kind == URLENCODED:
            return Form(await _read_urlencoded(read, headers, limits), [])
        if kind == MULTIPART:
            return await _FormReader(find_boundary(content_type), limits).read(read)
    except LimitError as error:
        message = f"The form is too large: {error.message}."
        raise LimitHitError(error.limit_name, error.code, message) from None
    except ProtocolError as error:
        raise HttpError(error.code, f"The form cannot be read: {error.message}.") from None
    message = f"A form is needed here, as {URLENCODED} or {MULTIPART}."
    raise HttpError(415, message, {"Accept": f"{URLENCODED}, {MULTIPART}"})


async def _read_urlencoded(
    read: ReadPiece, headers: Headers, limits: FormLimits
) -> list[tuple[str, str]]:
    body = bytearray()
    while piece := await read():
        body += piece
        if len(body) > limits.field_bytes_max:
            raise LimitError(413, "field_bytes_max", len(body), limits.field_bytes_max)
    if not body and "Content-Length" not in headers and "Transfer-Encoding" not in headers:
        # RFC 9110 section 15.5.12: a form without its length is one that was forgotten.
        raise ProtocolError(411, "there is neither a body nor a Content-Length")
    # The URL standard reads it as UTF-8 whatever it says, and replaces what is none.
    text = body.decode("utf-8", "replace")
    parts = text.count("&") + 1
    if parts > limits.parts_max:
        raise LimitError(413, "parts_max", parts, limits.parts_max)
    return parse_qsl(text, keep_blank_values=True, errors="replace")


class _FormReader:
    """Puts the parts of a multipart body where they belong."""

    def __init__(self, boundary: str, limits: FormLimits) -> None:
        self._reader = MultipartReader(boundary, limits)
        self._limits = limits
        self._form_fields: list[tuple[str, str]] = []
        self._files: list[UploadedFile] = []
        self._field_name = ""
        self._field: bytearray | None = None
        self._upload: UploadedFile | None = None

    async def read(self, read: ReadPiece) -> Form:
        form = Form(self._form_fields, self._files)
        try:
            while piece := await read():
                for event in self._reader.receive(piece):
                    await self._take(event)
            self._reader.receive_end()
        except BaseException:
            form.close()
            raise
        for upload in self._files:
            upload.file.seek(0)
        return form

    async def _take(self, event: object) -> None:
        if isinstance(event, PartBegan):
            self._begin(event)
        elif isinstance(event, PartData):
            if self._upload is not None:
                await self._write(self._upload, event.data)
            elif self._field is not None:
                self._field += event.data
                _check("field_bytes_max", len(self._field), self._limits.field_bytes_max)
        elif self._field is not None:
            value = self._field.decode("utf-8", "replace")
            self._form_fields.append((self._field_name, value))

    def _begin(self, part: PartBegan) -> None:
        self._field, self._upload = None, None
        if part.file_name is None:
            self._field, self._field_name = bytearray(), part.name
            return
        memory = self._limits.file_memory_bytes_max
        # SpooledTemporaryFile never rolls over with 0, which here means at once. Form.close, or
        # whoever drops it, closes the file.
        file = SpooledTemporaryFile(max_size=max(1, memory))  # noqa: SIM115
        self._upload = UploadedFile(part.name, part.file_name, part.headers, cast(BinaryIO, file))
        self._files.append(self._upload)

    async def _write(self, upload: UploadedFile, data: bytes) -> None:
        upload.size += len(data)
        if self._limits.file_bytes_max is not None:
            _check("file_bytes_max", upload.size, self._limits.file_bytes_max)
        if upload.size <= self._limits.file_memory_bytes_max:
            upload.file.write(data)
        else:
            await asyncio.get_running_loop().run_in_executor(None, upload.file.write, data)


def _check(name: str, value: int, maximum: int) -> None:
    if value > maximum:
        raise LimitError(413, name, value, maximum)
