"""Everything that can go wrong, as one tree; a message says what to do.

TaktError
├── RequestError              400  the caller can mend it
│   ├── InvalidImageError         400  bytes that are no whole picture
│   ├── UploadTooSlowError        408  a body that was not there in time
│   ├── UnauthenticatedError      401  who asks is not known
│   ├── ForbiddenError            403  the settings of this server do not allow it
│   │   └── InsufficientScopeError    403  who asks is known, and may not do this
│   ├── InvalidParameterError     422  an option out of range
│   ├── ImageTooLargeError        413  too many bytes or pixels
│   ├── UnsupportedImageError     415  a format or pixel type that is not served
│   ├── ModelNotFoundError        404  no such model or version
│   ├── NoRecordError             404  this server keeps no record
│   ├── StreamNotFoundError       404  no such stream, or it has ended
│   ├── InspectionNotFoundError   404  no such inspection in the record, or no picture of it
│   ├── ConditionNotFoundError    404  no such alert condition
│   ├── LearningNotFoundError     404  no such learning
│   ├── SlowRequestError          408  the request did not come whole in time
│   ├── HeadersTooLargeError      431  more bytes of headers than anybody needs
│   ├── ConflictError             409  the request does not fit the server's state
│   │   └── CalibrationError          409  the known pictures do not allow the wanted threshold
│   ├── MisdirectedRequestError   421  the request is for a name that is not this server's
│   └── ClientGoneError           499  the caller hung up; nobody reads the answer
├── UnavailableError          503  the caller may try again later
│   ├── QueueFullError            429  with the seconds after which to come back
│   │   ├── TooManyUploadsError       429  as many pictures are being sent as may be
│   │   └── MemoryFullError           429  pictures in flight take all their memory
│   ├── NotReadyError             503  the model loads, waits, failed, closes or has no engine
│   ├── EngineHungError           503  the engine did not answer this batch, and is replaced
│   ├── EngineDiedError           503  the engine's thread ended in this batch, and is replaced
│   ├── EngineMemoryError         503  the engine had no memory for this picture
│   ├── TooManyConnectionsError   503  as many connections are open as allowed
│   ├── RecordError               503  the record's database or disk does not answer
│   ├── NoRoomError               507  no room for a further picture to learn from
│   └── DeadlineExceededError     504  no answer within the request's timeout
├── EngineError               500  the engine failed on this batch
├── BundleError               500  a model folder that cannot be trusted
│   ├── MisplacedBundleError      500  a whole one in another folder than its name says
│   └── DriftError                500  an engine that answers unlike the trained model
└── ConfigurationError        500  settings that this host cannot honour
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class TaktError(Exception):
    """An error of this service, whose message may be shown to the caller.

    >>> error = ImageTooLargeError("the picture has 90 pixels, more than 64; send a smaller one")
    >>> error.status, error.code, error.title
    (413, 'image_too_large', 'Image too large')
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"
    fixed_headers: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls) -> None:
        """A class that names no title of its own takes the words of its code."""
        if "title" not in vars(cls):
            cls.title = cls.code.replace("_", " ").capitalize()

    @property
    def headers(self) -> dict[str, str]:
        """Response headers that belong to the error."""
        return dict(self.fixed_headers)


class RequestError(TaktError):
    """The request is at fault."""

    status = 400
    code = "bad_request"


class InvalidImageError(RequestError):
    """The bytes are not a whole picture."""

    code = "invalid_image"


class UploadTooSlowError(RequestError):
    """The body was not there in time, or came too slowly; the connection ends."""

    status = 408
    code = "upload_too_slow"
    fixed_headers: ClassVar = {"Connection": "close"}  # the rest would be read as a request


class UnauthenticatedError(RequestError):
    """The request names no caller that this server knows."""

    status = 401
    code = "unauthenticated"
    fixed_headers: ClassVar = {"WWW-Authenticate": 'Bearer realm="takt"'}


class ForbiddenError(RequestError):
    """The settings of this server do not allow the request."""

    status = 403
    code = "forbidden"


class InsufficientScopeError(ForbiddenError):
    """The caller is known, and its key lacks the `scope` that the route needs."""

    code = "insufficient_scope"

    def __init__(self, message: str = "", scope: str = "") -> None:
        super().__init__(message)
        self.scope = scope

    @property
    def headers(self) -> dict[str, str]:
        """`WWW-Authenticate` with the scope that is needed, as RFC 6750 has it."""
        challenge = f'Bearer realm="takt", error="insufficient_scope", scope="{self.scope}"'
        return {"WWW-Authenticate": challenge}


class InvalidParameterError(RequestError):
    """An option is missing, malformed or out of range."""

    status = 422
    code = "invalid_parameter"


class ImageTooLargeError(RequestError):
    """The picture has more bytes or pixels than the service takes."""

    status = 413
    code = "image_too_large"


class UnsupportedImageError(RequestError):
    """The picture is of a format or pixel type that is not served."""

    status = 415
    code = "unsupported_image"


class ModelNotFoundError(RequestError):
    """There is no such model, or no such version of it."""

    status = 404
    code = "model_not_found"


class NoRecordError(RequestError):
    """This server keeps no record of its inspections."""

    status = 404
    code = "no_record"


class StreamNotFoundError(RequestError):
    """There is no such stream, or it has ended."""

    status = 404
    code = "stream_not_found"


class InspectionNotFoundError(RequestError):
    """The record has no such inspection, or keeps no picture of it."""

    status = 404
    code = "inspection_not_found"


class ConditionNotFoundError(RequestError):
    """There is no alert condition of this name."""

    status = 404
    code = "condition_not_found"


class LearningNotFoundError(RequestError):
    """This server knows of no such learning."""

    status = 404
    code = "learning_not_found"


class SlowRequestError(RequestError):
    """The request did not come whole in time; the connection is closed."""

    status = 408
    code = "slow_request"
    title = "Request too slow"
    fixed_headers: ClassVar = {"Connection": "close"}


class HeadersTooLargeError(RequestError):
    """The request's target and headers have more bytes than the service takes."""

    status = 431
    code = "headers_too_large"


class ConflictError(RequestError):
    """The request does not fit the state of the model."""

    status = 409
    code = "conflict"


class CalibrationError(ConflictError):
    """The known pictures do not allow the wanted threshold."""

    code = "calibration"


class MisdirectedRequestError(RequestError):
    """The request is for the name of another server."""

    status = 421
    code = "misdirected_request"


class ClientGoneError(RequestError):
    """The caller hung up before the answer was there; its work is given up."""

    status = 499
    code = "client_gone"


class UnavailableError(TaktError):
    """The request is fine, the service cannot answer it now."""

    status = 503
    code = "unavailable"

    def __init__(self, message: str = "", retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """`Retry-After`: seconds after which to come back, where that can be told."""
        if self.retry_after_s is None:
            return super().headers
        return {"Retry-After": str(self.retry_after_s)}


class QueueFullError(UnavailableError):
    """As many requests wait as the settings allow."""

    status = 429
    code = "queue_full"


class TooManyUploadsError(QueueFullError):
    """As many pictures are being sent at the same time as may be."""

    code = "too_many_uploads"


class MemoryFullError(QueueFullError):
    """Pictures in flight take all the memory that the settings allow."""

    code = "memory_full"


class NotReadyError(UnavailableError):
    """The model is loading, waits for its first activation, failed, closes, or has no engine."""

    code = "not_ready"
    title = "Model not ready"


class EngineHungError(UnavailableError):
    """The engine has not answered the batch that held the request; it is replaced."""

    code = "engine_hung"


class EngineDiedError(UnavailableError):
    """The engine's thread ended while it had the request; it is replaced."""

    code = "engine_died"


class EngineMemoryError(UnavailableError):
    """The engine found no memory to run the picture, not even alone."""

    code = "engine_out_of_memory"
    title = "Engine out of memory"


class TooManyConnectionsError(UnavailableError):
    """As many connections are open as the settings allow."""

    code = "too_many_connections"
    fixed_headers: ClassVar = {"Retry-After": "1"}  # idle connections make room by then


class RecordError(UnavailableError):
    """The record's database or disk does not answer."""

    code = "record_unavailable"


class NoRoomError(UnavailableError):
    """There is no room for a further picture to learn from."""

    status = 507
    code = "no_room"


class DeadlineExceededError(UnavailableError):
    """The request's timeout passed before its answer was there."""

    status = 504
    code = "deadline_exceeded"


class EngineError(TaktError):
    """The engine failed on the batch that held the request."""

    code = "engine_failed"


class BundleError(TaktError):
    """A model folder is incomplete, damaged or of another format."""

    code = "invalid_bundle"


class MisplacedBundleError(BundleError):
    """A model folder is whole, and lies where its name and version do not say."""

    code = "misplaced_bundle"


class DriftError(BundleError):
    """An engine answers the golden inputs unlike the trained model."""

    code = "drift"
    title = "Engine drifts from the trained model"


class ConfigurationError(TaktError):
    """The settings want something that this host cannot do."""

    code = "configuration"
