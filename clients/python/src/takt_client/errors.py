"""Errors of a call, as one tree: the server's by their code, and those of the way to it.

TaktError
├── RequestError              the caller can mend it
│   ├── InvalidImageError         400  bytes that are no whole picture
│   ├── ForbiddenError            403  the server's settings do not allow it
│   ├── InvalidParameterError     422  an option out of range
│   ├── ImageTooLargeError        413  too many bytes or pixels
│   ├── UnsupportedImageError     415  a format or pixel type that is not served
│   ├── ModelNotFoundError        404  no such model or version
│   ├── ConflictError             409  the request does not fit the server's state
│   └── ClientGoneError           499  the caller hung up
├── UnavailableError          the caller may try again later
│   ├── QueueFullError            429  with the seconds after which to come back
│   ├── NotReadyError             503  the model is loading, failed or closing
│   ├── DeadlineExceededError     504  no answer within the timeout
│   └── UnreachableError          503  no connection to the server
├── UnreadableAnswerError     502  the answer is not Takt's, or of another version
├── EngineError               500  the engine failed on this batch
├── BundleError               500  a model folder that cannot be trusted
│   └── DriftError                500  an engine that answers unlike the trained model
└── ConfigurationError        500  settings that the server's host cannot honour
"""

from __future__ import annotations

from typing import ClassVar


class TaktError(Exception):
    """Base of all errors; the message says what to do."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"


class RequestError(TaktError):
    """The request is at fault."""

    status = 400
    code = "bad_request"
    title = "Bad request"


class InvalidImageError(RequestError):
    """The bytes are no whole picture."""

    code = "invalid_image"
    title = "Invalid image"


class ForbiddenError(RequestError):
    """The server's settings do not allow the request."""

    status = 403
    code = "forbidden"
    title = "Forbidden"


class InvalidParameterError(RequestError):
    """An option is missing, malformed or out of range."""

    status = 422
    code = "invalid_parameter"
    title = "Invalid parameter"


class ImageTooLargeError(RequestError):
    """The picture has more bytes or pixels than the server takes."""

    status = 413
    code = "image_too_large"
    title = "Image too large"


class UnsupportedImageError(RequestError):
    """The picture has a format or pixel type that is not served."""

    status = 415
    code = "unsupported_image"
    title = "Unsupported image"


class ModelNotFoundError(RequestError):
    """There is no such model, or no such version of it."""

    status = 404
    code = "model_not_found"
    title = "Model not found"


class ConflictError(RequestError):
    """The request does not fit the state of the server."""

    status = 409
    code = "conflict"
    title = "Conflict"


class ClientGoneError(RequestError):
    """The caller hung up before the answer was there."""

    status = 499
    code = "client_gone"
    title = "Client gone"


class UnavailableError(TaktError):
    """The request is fine; the server cannot answer it now."""

    status = 503
    code = "unavailable"
    title = "Unavailable"


class QueueFullError(UnavailableError):
    """The server's queue is full.

    Args:
        message: says what to do.
        retry_after_s: seconds after which the queue will have room.
    """

    status = 429
    code = "queue_full"
    title = "Queue full"

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotReadyError(UnavailableError):
    """The model is loading, has failed or is closing."""

    code = "not_ready"
    title = "Model not ready"


class DeadlineExceededError(UnavailableError):
    """The timeout passed before the answer was there."""

    status = 504
    code = "deadline_exceeded"
    title = "Deadline exceeded"


class UnreachableError(UnavailableError):
    """There is no connection to the server, or it was lost before the answer."""

    code = "unreachable"
    title = "Server unreachable"


class UnreadableAnswerError(TaktError):
    """The answer makes no sense to this client."""

    status = 502
    code = "unreadable_answer"
    title = "Unreadable answer"


class EngineError(TaktError):
    """The engine failed on the batch that held the request."""

    code = "engine_failed"
    title = "Engine failed"


class BundleError(TaktError):
    """A model folder is incomplete, damaged or of another format."""

    code = "invalid_bundle"
    title = "Invalid bundle"


class DriftError(BundleError):
    """An engine answers the golden inputs unlike the trained model."""

    code = "drift"
    title = "Engine drifts from the trained model"


class ConfigurationError(TaktError):
    """The server's settings ask for something that its host cannot do."""

    code = "configuration"
    title = "Configuration"
