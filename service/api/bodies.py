"""Bodies with pictures: timed as uploads, weighed as they come, and never on a disk."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from service.batching.memory import EncodedBytes, MemoryBudget
from service.batching.uploads import Uploads
from service.errors import ClientGoneError, InvalidImageError

_MAX_DIGITS = 19


@dataclass(frozen=True, slots=True)
class Bodies:
    """Reads the bodies of requests that bring pictures.

    Attributes:
        uploads: places of those that are being read.
        memory: of pictures in flight.
    """

    uploads: Uploads
    memory: MemoryBudget

    async def read(self, request: Request, held: EncodedBytes) -> bytes:
        """The whole body.

        Not `request.body()`, which would keep a copy for as long as the request lives.

        Args:
            request: whose body nobody has read yet.
            held: takes the memory of the body.

        Raises:
            UploadTooSlowError: it is not there in time.
            TooManyUploadsError, MemoryFullError: there is no room for it.
            ImageTooLargeError: there will never be.
            ClientGoneError: the caller hung up.
        """
        return b"".join([chunk async for chunk in self._chunks(request, held)])

    async def read_form(self, request: Request, held: EncodedBytes, field: str) -> bytes:
        """The file in a field of a multipart form.

        Raises:
            InvalidImageError: the form is damaged, or has no such file.
            TaktError: as `read` does.
        """
        try:
            async with contextlib.aclosing(self._chunks(request, held)) as chunks:
                form = await _InMemory(request.headers, chunks, max_files=1, max_fields=16).parse()
        except MultiPartException as error:
            raise InvalidImageError(f"the multipart body is damaged: {error.message}") from None
        try:
            file = form.get(field)
            if isinstance(file, UploadFile):
                return await file.read()
        finally:
            await form.close()
        raise InvalidImageError(f"the multipart body has no file in a field named `{field}`")

    async def _chunks(self, request: Request, held: EncodedBytes) -> AsyncGenerator[bytes]:
        if size := _announced(request):
            self.memory.check_encoded(size)
        client = request.scope.get("client")
        receive, more = request.receive, True
        with self.uploads.begin(client[0] if client else None) as upload:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError("the caller hung up before the picture was there")
                chunk = message.get("body", b"")
                more = message.get("more_body", False)
                held.add(len(chunk))
                upload.received(len(chunk))
                yield chunk


class _InMemory(MultiPartParser):
    """Keeps a file in memory, which is weighed, and leaves the disk alone."""

    spool_max_size = sys.maxsize


def _announced(request: Request) -> int:
    """The body's length by its header; 0 if it says none."""
    given = request.headers.get("content-length", "")
    return int(given) if given.isdecimal() and len(given) <= _MAX_DIGITS else 0
