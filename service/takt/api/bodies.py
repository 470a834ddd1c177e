"""Bodies with pictures: timed as uploads, weighed as they come, and never on a disk."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.types import Message

from takt.api.request_context import DECLARED_BYTES_KEY, header_of
from takt.core.batching.memory import EncodedBytes, MemoryBudget
from takt.core.batching.uploads import Upload, Uploads
from takt.core.errors import ClientGoneError, InvalidImageError, InvalidParameterError

_FIELD = "image"


@dataclass(frozen=True, slots=True)
class Bodies:
    """Reads the bodies of requests that bring pictures.

    Attributes:
        uploads: places of those that are being read.
        memory: of pictures in flight.
    """

    uploads: Uploads
    memory: MemoryBudget

    async def read_picture(self, request: Request, held: EncodedBytes, share: str) -> bytes:
        """A picture's bytes: the whole body, or the field `image` of a multipart form.

        Args:
            request: whose body nobody has read yet.
            held: takes the memory of the body.
            share: whose share of uploads it takes.

        Raises:
            InvalidImageError: the form is damaged, or has no such file.
            InvalidParameterError: the form has another field, which would be no option.
            TaktError: as `read` does.
        """
        content_type = header_of(request.scope, b"content-type") or ""
        if content_type.lower().startswith("multipart/form-data"):
            return await self._read_form(request, held, share)
        return await self.read(request, held, share)

    async def read(self, request: Request, held: EncodedBytes, share: str) -> bytes:
        """The whole body.

        Not `request.body()`, which would keep a copy for as long as the request lives.

        Args:
            request: whose body nobody has read yet.
            held: takes the memory of the body.
            share: whose share of uploads it takes.

        Raises:
            UploadTooSlowError: it is not there in time.
            TooManyUploadsError, MemoryFullError: there is no room for it.
            ImageTooLargeError: there will never be.
            ClientGoneError: the caller hung up.
        """
        receive, parts, more = request.receive, [], True
        with self._begin(request, share) as upload:
            while more:
                part, more = _part_of(await receive(), held, upload)
                parts.append(part)
        return b"".join(parts)

    async def _read_form(self, request: Request, held: EncodedBytes, share: str) -> bytes:
        """The file in the field `image` of a multipart form."""
        try:
            async with contextlib.aclosing(self._chunks(request, held, share)) as chunks:
                form = await _InMemory(request.headers, chunks, max_files=1, max_fields=16).parse()
        except MultiPartException as error:
            raise InvalidImageError(f"the multipart body is damaged: {error.message}") from None
        try:
            file = form.get(_FIELD)
            if not isinstance(file, UploadFile):
                raise InvalidImageError(
                    f"the multipart body has no file in a field named `{_FIELD}`"
                )
            others = sorted(set(form) - {_FIELD})
            if others:
                raise InvalidParameterError(
                    f"{others[0][:64]}: the form has the field `{_FIELD}` alone; options are "
                    "parameters of the URL, as in ?threshold=0.5"
                )
            return await file.read()
        finally:
            await form.close()

    async def _chunks(
        self, request: Request, held: EncodedBytes, share: str
    ) -> AsyncGenerator[bytes]:
        more = True
        with self._begin(request, share) as upload:
            while more:
                part, more = _part_of(await request.receive(), held, upload)
                yield part

    def _begin(self, request: Request, share: str) -> Upload:
        if size := request.scope.get(DECLARED_BYTES_KEY):
            self.memory.check_encoded(size)
        return self.uploads.begin(share)


class _InMemory(MultiPartParser):
    """Keeps a file in memory, which is weighed, and leaves the disk alone."""

    spool_max_size = sys.maxsize


def _part_of(message: Message, held: EncodedBytes, upload: Upload) -> tuple[bytes, bool]:
    """A part of a body, weighed and counted, and whether another one follows."""
    if message["type"] == "http.disconnect":
        raise ClientGoneError("the caller hung up before the picture was there")
    part: bytes = message.get("body", b"")
    held.add(len(part))
    upload.received(len(part))
    return part, message.get("more_body", False)
