"""Errors that several routes answer with, as the API's document shows them.

Each has the text that a server says in this case; a test asks one and compares.
"""

from __future__ import annotations

from takt.core.errors import (
    DeadlineExceededError,
    EngineDiedError,
    EngineError,
    EngineHungError,
    EngineMemoryError,
    ForbiddenError,
    ImageTooLargeError,
    InvalidImageError,
    InvalidParameterError,
    MemoryFullError,
    MisdirectedRequestError,
    ModelNotFoundError,
    NotReadyError,
    QueueFullError,
    SlowRequestError,
    TaktError,
    TooManyUploadsError,
    UnavailableError,
    UnsupportedImageError,
    UploadTooSlowError,
)
from takt.peers import UNLED

FOREIGN_NAME = MisdirectedRequestError(
    "this server does not answer to the name evil.example; ask it by its address, or name it in "
    "the setting allowed_hosts"
)
NOT_UTF8 = InvalidParameterError(
    "the path is not UTF-8; write it in UTF-8, and percent-encode what is not ASCII"
)
FOREIGN_PAGE = ForbiddenError(
    "pages of https://evil.example may not ask this here; name it in the setting allowed_origins "
    "if they should"
)
NO_MODEL = ModelNotFoundError("there is no model 'nut'; this server has parts")
NOT_READY = NotReadyError("model parts, version 1, is not ready: loading; /health/ready says why")
NOT_LED = UnavailableError(UNLED, retry_after_s=1)
SLOW_BODY = SlowRequestError("the body did not come whole within 10 s; send it at once")
TOO_MANY_UPLOADS = TooManyUploadsError(
    "256 pictures are being sent at the same time, as many as may be, and this one stood "
    "still longest; send it again later",
    retry_after_s=1,
)
MEMORY_FULL = MemoryFullError(
    "pictures that wait take all the memory that they may; send this one again later, or "
    "raise max_memory_mb or the number of servers",
    retry_after_s=1,
)

OF_PICTURES: tuple[TaktError, ...] = (
    InvalidImageError("there is no picture: the body is empty"),
    FOREIGN_PAGE,
    NO_MODEL,
    UploadTooSlowError(
        "the body was not there within 10 s; send a smaller picture, or raise upload_timeout_s"
    ),
    ImageTooLargeError(
        "the picture has 10000 × 10000 = 100000000 pixels, more than the 50000000 of the setting "
        "max_image_pixels; send a smaller one or raise the setting"
    ),
    UnsupportedImageError("the body is a GIF; send JPEG, PNG, BMP, WebP or TIFF"),
    QueueFullError(
        "64 pictures wait already; send this one again later, or raise max_queue_size or the "
        "number of servers",
        retry_after_s=2,
    ),
    TOO_MANY_UPLOADS,
    MEMORY_FULL,
    EngineError("the engine failed on a batch: RuntimeError"),
    NOT_READY,
    EngineHungError(
        "the engine did not answer within 10 s and is replaced; send the picture again",
        retry_after_s=1,
    ),
    EngineDiedError("the model's engine has died; send the picture again", retry_after_s=1),
    EngineMemoryError(
        "the engine found no memory for the picture, not even alone; send it again later, and "
        "remove versions that nobody uses or give the server more memory if it stays so"
    ),
    DeadlineExceededError(
        "no answer within 200 ms; allow more time with timeout_ms, or add servers"
    ),
)
"""Of every route that inspects."""
