"""Errors of a call, as one tree: the server's by their code, and those of the way to it.

TaktError
├── RequestError              the caller can mend it
│   ├── InvalidImageError         400  bytes that are no whole picture
│   ├── UnauthenticatedError      401  the server does not know who asks
│   ├── ForbiddenError            403  the server's settings do not allow it
│   │   └── InsufficientScopeError    403  the key does not allow it
│   ├── InvalidParameterError     422  an option out of range
│   ├── ImageTooLargeError        413  too many bytes or pixels
│   ├── UnsupportedImageError     415  a format or pixel type that is not served
│   ├── ModelNotFoundError        404  no such model or version
│   ├── NoRecordError             404  the server keeps no record
│   ├── InspectionNotFoundError   404  no such inspection in the record, or no picture of it
│   ├── AlarmNotFoundError        404  no such alarm of the watch
│   ├── UploadTooSlowError        408  the picture did not come in time
│   ├── SlowRequestError          408  the request did not come whole in time
│   ├── HeadersTooLargeError      431  more bytes of headers than anybody needs
│   ├── ConflictError             409  the request does not fit the server's state
│   │   ├── CalibrationError          409  the known pictures do not allow the wanted threshold
│   │   ├── RecipeOutdatedError       409  a recipe's model is another one than when it was saved
│   │   ├── RecipeChangedError        409  a change of a recipe's revision that is replaced by now
│   │   ├── NumberTakenError          409  another recipe has the number
│   │   ├── CodesTakenError           409  another recipe has a pattern of codes
│   │   ├── OtherRecipeError          409  a view of an open part names another recipe
│   │   ├── ViewTakenError            409  a view that its part has already
│   │   └── PartEndedError            409  a view of a part that has its result
│   ├── MisdirectedRequestError   421  the server does not answer to the name in the URL
│   ├── PictureFileError          400  the path of a picture cannot be read; nothing was sent
│   └── ClientGoneError           499  the caller hung up
├── UnavailableError          the caller may try again later
│   ├── QueueFullError            429  with the seconds after which to come back
│   │   ├── TooManyUploadsError       429  as many pictures are being sent as may be
│   │   └── MemoryFullError           429  pictures in flight take all their memory
│   ├── NotReadyError             503  the model is loading, failed, closing or without an engine
│   ├── EngineHungError           503  the engine did not answer this batch, and is replaced
│   ├── EngineDiedError           503  the engine's thread ended in this batch, and is replaced
│   ├── EngineMemoryError         503  the engine had no memory for this picture
│   ├── TooManyConnectionsError   503  as many connections are open as allowed
│   ├── RecordError               503  the record's database or disk does not answer
│   ├── DeadlineExceededError     504  no answer within the timeout
│   └── UnreachableError          503  no connection to the server
├── UnreadableAnswerError     502  the answer is not Takt's, or of another version
├── BundleError               500  a model folder that cannot be trusted
│   ├── MisplacedBundleError      500  a whole one in another folder than its name says
│   └── DriftError                500  an engine that answers unlike the trained model
├── ConfigurationError        500  settings that the server's host cannot honour
│   └── NotInstalledError         501  a package that the request needs is not installed
└── EngineError               500  the engine failed on this batch
"""

from __future__ import annotations

from typing import ClassVar


class TaktError(Exception):
    """Base of all errors; the message says what to do."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"

    def __init_subclass__(
        cls, code: str | None = None, title: str | None = None, status: int | None = None
    ) -> None:
        cls.code, cls.title = code or cls.code, title or cls.title
        cls.status = status or cls.status


class RequestError(TaktError, code="bad_request", title="Bad request", status=400):
    """The request is at fault."""


class InvalidImageError(RequestError, code="invalid_image", title="Invalid image"):
    """The bytes are no whole picture."""


class UnauthenticatedError(
    RequestError, code="unauthenticated", title="Unauthenticated", status=401
):
    """The server wants a key, or does not know this one (any more)."""


class ForbiddenError(RequestError, code="forbidden", title="Forbidden", status=403):
    """The server's settings do not allow the request."""


class InsufficientScopeError(ForbiddenError, code="insufficient_scope", title="Insufficient scope"):
    """The key lacks the scope that the request needs."""


class InvalidParameterError(
    RequestError, code="invalid_parameter", title="Invalid parameter", status=422
):
    """An option is missing, malformed or out of range."""


class ImageTooLargeError(RequestError, code="image_too_large", title="Image too large", status=413):
    """The picture has more bytes or pixels than the server takes."""


class UnsupportedImageError(
    RequestError, code="unsupported_image", title="Unsupported image", status=415
):
    """The picture has a format or pixel type that is not served."""


class ModelNotFoundError(RequestError, code="model_not_found", title="Model not found", status=404):
    """There is no such model, or no such version of it."""


class NoRecordError(RequestError, code="no_record", title="No record", status=404):
    """The server keeps no record of its inspections."""


class InspectionNotFoundError(
    RequestError, code="inspection_not_found", title="Inspection not found", status=404
):
    """The record has no such inspection, or keeps no picture of it."""


class AlarmNotFoundError(RequestError, code="alarm_not_found", title="Alarm not found", status=404):
    """The watch has raised no alarm of this number."""


class StreamNotFoundError(
    RequestError, code="stream_not_found", title="Stream not found", status=404
):
    """There is no such stream, or it has ended."""


class ConditionNotFoundError(
    RequestError, code="condition_not_found", title="Condition not found", status=404
):
    """There is no alert condition of this name."""


class LearningNotFoundError(
    RequestError, code="learning_not_found", title="Learning not found", status=404
):
    """The server knows of no such learning."""


class RecipeNotFoundError(
    RequestError, code="recipe_not_found", title="Recipe not found", status=404
):
    """There is no recipe of this name, or no such revision of it."""


class PartNotFoundError(RequestError, code="part_not_found", title="Part not found", status=404):
    """No part of this id is open or recorded."""


class StationNotFoundError(
    RequestError, code="station_not_found", title="Station not found", status=404
):
    """No station of this name says how it fares."""


class ViewNotFoundError(RequestError, code="view_not_found", title="View not found", status=404):
    """The recipe has no view of this name."""


class TooFewPicturesError(
    InvalidParameterError, code="too_few_pictures", title="Too few pictures", status=422
):
    """The models of a recipe know too few good pictures for what it is to promise."""


class UploadTooSlowError(RequestError, code="upload_too_slow", title="Upload too slow", status=408):
    """The picture was not there in the time that the server gives it."""


class SlowRequestError(RequestError, code="slow_request", title="Request too slow", status=408):
    """The request did not come whole in the time that the server gives it."""


class HeadersTooLargeError(
    RequestError, code="headers_too_large", title="Headers too large", status=431
):
    """The request's headers have more bytes than the server takes."""


class ConflictError(RequestError, code="conflict", title="Conflict", status=409):
    """The request does not fit the state of the server."""


class CalibrationError(ConflictError, code="calibration", title="Calibration", status=409):
    """The known pictures do not allow the wanted threshold."""


class RecipeOutdatedError(
    ConflictError, code="recipe_outdated", title="Recipe outdated", status=409
):
    """A model of the recipe is another one by now than when the recipe was saved."""


class RecipeChangedError(ConflictError, code="recipe_changed", title="Recipe changed", status=409):
    """The recipe is at another revision by now than whoever changes it has seen."""


class NumberTakenError(ConflictError, code="number_taken", title="Number taken", status=409):
    """Another recipe has the number, by which a PLC tells recipes apart."""


class CodesTakenError(ConflictError, code="codes_taken", title="Codes taken", status=409):
    """Another recipe has a pattern of codes, by which a station tells recipes apart."""


class OtherRecipeError(ConflictError, code="other_recipe", title="Other recipe", status=409):
    """The part is open by another recipe."""


class ViewTakenError(ConflictError, code="view_taken", title="View taken", status=409):
    """The part has this view already, or it is being inspected."""


class PartEndedError(ConflictError, code="part_ended", title="Part ended", status=409):
    """The part has its result, which no view changes any more."""


class MisdirectedRequestError(
    RequestError, code="misdirected_request", title="Misdirected request", status=421
):
    """The server does not answer to the name in the URL; its setting `allowed_hosts` lacks it."""


class PictureFileError(RequestError, code="picture_file", title="File of a picture"):
    """The file of a picture is missing or cannot be read; nothing was sent."""


class ClientGoneError(RequestError, code="client_gone", title="Client gone", status=499):
    """The caller hung up before the answer was there."""


class UnavailableError(TaktError, code="unavailable", title="Unavailable", status=503):
    """The request is fine; the server cannot answer it now."""


class QueueFullError(UnavailableError, code="queue_full", title="Queue full", status=429):
    """The server's queue is full.

    Args:
        message: says what to do.
        retry_after_s: seconds after which the queue will have room.
    """

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TooManyUploadsError(
    QueueFullError, code="too_many_uploads", title="Too many uploads", status=429
):
    """As many pictures are being sent to the server as may be."""


class MemoryFullError(QueueFullError, code="memory_full", title="Memory full", status=429):
    """Pictures in flight take all the memory that the server gives them."""


class NotReadyError(UnavailableError, code="not_ready", title="Model not ready"):
    """The model is loading, has failed, is closing, or none of its engines works."""


class EngineHungError(UnavailableError, code="engine_hung", title="Engine hung"):
    """The engine has not answered the batch that held the request; it is replaced."""


class EngineDiedError(UnavailableError, code="engine_died", title="Engine died"):
    """The engine's thread ended while it had the request; it is replaced."""


class EngineMemoryError(
    UnavailableError, code="engine_out_of_memory", title="Engine out of memory"
):
    """The engine found no memory to run the picture, not even alone."""


class TooManyConnectionsError(
    UnavailableError, code="too_many_connections", title="Too many connections"
):
    """As many connections are open as the server allows."""


class TooManyPartsError(
    UnavailableError, code="too_many_parts", title="Too many parts", status=429
):
    """As many parts are open as may be."""


class TooManyStationsError(
    UnavailableError, code="too_many_stations", title="Too many stations", status=429
):
    """As many stations say how they fare as may be."""


class RecordError(
    UnavailableError, code="record_unavailable", title="Record unavailable", status=503
):
    """The record's database or disk does not answer."""


class NoRoomError(UnavailableError, code="no_room", title="No room", status=507):
    """There is no room for a further picture to learn from."""


class DeadlineExceededError(
    UnavailableError, code="deadline_exceeded", title="Deadline exceeded", status=504
):
    """The timeout passed before the answer was there."""


class UnreachableError(UnavailableError, code="unreachable", title="Server unreachable"):
    """There is no connection to the server, or it was lost before the answer.

    Args:
        message: says what to do.
        reason: why there is none, in a few words.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class UnreadableAnswerError(
    TaktError, code="unreadable_answer", title="Unreadable answer", status=502
):
    """The answer makes no sense to this client."""


class EngineError(TaktError, code="engine_failed", title="Engine failed"):
    """The engine failed on the batch that held the request."""


class BundleError(TaktError, code="invalid_bundle", title="Invalid bundle"):
    """A model folder is incomplete, damaged or of another format."""


class MisplacedBundleError(BundleError, code="misplaced_bundle", title="Misplaced bundle"):
    """A model folder is whole, and lies where its name and version do not say."""


class DriftError(BundleError, code="drift", title="Engine drifts from the trained model"):
    """An engine answers the golden inputs unlike the trained model."""


class ConfigurationError(TaktError, code="configuration", title="Configuration"):
    """The server's settings ask for something that its host cannot do."""


class NotInstalledError(
    ConfigurationError, code="not_installed", title="Not installed", status=501
):
    """A package that the request needs is not installed where the server runs."""
