"""Everything that can go wrong, as one tree; a message says what to do.

TaktError
├── RequestError              400  the caller can mend it
│   ├── InvalidImageError         400  bytes that are no whole picture
│   ├── UploadTooSlowError        408  a body that was not there in time
│   ├── UnauthenticatedError      401  who asks is not known
│   ├── ForbiddenError            403  the settings of this server do not allow it
│   │   └── InsufficientScopeError    403  who asks is known, and may not do this
│   ├── InvalidParameterError     422  an option out of range
│   │   └── TooFewPicturesError       422  a recipe whose models know too few good pictures for it
│   ├── ImageTooLargeError        413  too many bytes or pixels
│   ├── UnsupportedImageError     415  a format or pixel type that is not served
│   ├── ModelNotFoundError        404  no such model or version
│   ├── NoRecordError             404  this server keeps no record
│   ├── StreamNotFoundError       404  no such stream, or it has ended
│   ├── InspectionNotFoundError   404  no such inspection in the record, or no picture of it
│   ├── AlarmNotFoundError        404  no such alarm of the watch
│   ├── ConditionNotFoundError    404  no such alert condition
│   ├── LearningNotFoundError     404  no such learning
│   ├── RecipeNotFoundError       404  no such recipe
│   ├── PartNotFoundError         404  no part of this id, neither open nor recorded
│   ├── StationNotFoundError      404  no station of this name has told how it fares
│   ├── ViewNotFoundError         404  the recipe has no such view
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
│   ├── TooManyPartsError         429  as many parts are open as may be
│   ├── TooManyStationsError      429  as many stations say how they fare as may be
│   ├── RecordError               503  the record's database or disk does not answer
│   ├── NoRoomError               507  no room for a further picture to learn from
│   └── DeadlineExceededError     504  no answer within the request's timeout
├── EngineError               500  the engine failed on this batch
├── BundleError               500  a model folder that cannot be trusted
│   ├── MisplacedBundleError      500  a whole one in another folder than its name says
│   └── DriftError                500  an engine that answers unlike the trained model
└── ConfigurationError        500  settings that this host cannot honour
    └── NotInstalledError         501  a package that the request needs is not installed
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
    remedy: ClassVar[str] = "Report it, with the log's lines of this `request_id`."
    """What to do, in general; the message is more exact."""
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
    remedy = "Send what the API's document describes; `detail` says what does not fit."


class InvalidImageError(RequestError):
    """The bytes are not a whole picture."""

    code = "invalid_image"
    remedy = "Send the file as it was written, whole: JPEG, PNG, BMP, WebP or TIFF."


class UploadTooSlowError(RequestError):
    """The body was not there in time, or came too slowly; the connection ends."""

    status = 408
    code = "upload_too_slow"
    remedy = "Send smaller pictures, look at the network, or raise `upload_timeout_s`."
    fixed_headers: ClassVar = {"Connection": "close"}  # the rest would be read as a request


class UnauthenticatedError(RequestError):
    """The request names no caller that this server knows."""

    status = 401
    code = "unauthenticated"
    remedy = (
        "Send a key or a token: `Authorization: Bearer …`. `detail` says what is wrong with the "
        "one that came."
    )
    fixed_headers: ClassVar = {"WWW-Authenticate": 'Bearer realm="takt"'}


class ForbiddenError(RequestError):
    """The settings of this server do not allow the request."""

    status = 403
    code = "forbidden"
    remedy = (
        "Whoever runs the server changes the setting that `detail` names, if it should be allowed."
    )


class InsufficientScopeError(ForbiddenError):
    """The caller is known, and its key lacks the `scope` that the route needs."""

    code = "insufficient_scope"
    remedy = "Ask with a key that has the scope, or have it added: `takt keys`."

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
    remedy = "Mend the option that `detail` names."


class TooFewPicturesError(InvalidParameterError):
    """The models of a recipe know too few good pictures for what it is to promise."""

    code = "too_few_pictures"
    remedy = (
        "Calibrate with as many pictures of good parts as `detail` says, or each view's model with "
        "the same parts, told by `--group`; allow a larger `alpha`, or set the view's thresholds "
        "by hand."
    )


class ImageTooLargeError(RequestError):
    """The picture has more bytes or pixels than the service takes."""

    status = 413
    code = "image_too_large"
    remedy = "Send a smaller picture, or raise `max_image_bytes` or `max_image_pixels`."


class UnsupportedImageError(RequestError):
    """The picture is of a format or pixel type that is not served."""

    status = 415
    code = "unsupported_image"
    remedy = "Send 8 or 16 bits a channel, gray or color, in a format that is served."


class ModelNotFoundError(RequestError):
    """There is no such model, or no such version of it."""

    status = 404
    code = "model_not_found"
    remedy = "Take a name and version from `GET /v1/models`."


class NoRecordError(RequestError):
    """This server keeps no record of its inspections."""

    status = 404
    code = "no_record"
    remedy = "Start the server with a record, `--record sqlite`, or do without."


class StreamNotFoundError(RequestError):
    """There is no such stream, or it has ended."""

    status = 404
    code = "stream_not_found"
    remedy = "Take an id from `GET /v1/streams`."


class InspectionNotFoundError(RequestError):
    """The record has no such inspection, or keeps no picture of it."""

    status = 404
    code = "inspection_not_found"
    remedy = "Look it up by `GET /v1/inspections`: it may be older than what is kept."


class AlarmNotFoundError(RequestError):
    """The watch has raised no alarm of this number."""

    status = 404
    code = "alarm_not_found"
    remedy = "Take a number from `GET /v1/watch/alarms`."


class ConditionNotFoundError(RequestError):
    """There is no alert condition of this name."""

    status = 404
    code = "condition_not_found"
    remedy = "Take a name from `GET /v1/status`."


class LearningNotFoundError(RequestError):
    """This server knows of no such learning."""

    status = 404
    code = "learning_not_found"
    remedy = "Take an id from `GET /v1/learning`."


class RecipeNotFoundError(RequestError):
    """There is no recipe of this name, or no such revision of it."""

    status = 404
    code = "recipe_not_found"
    remedy = "Take a name from `GET /v1/recipes`, or save one: `PUT /v1/recipes/{recipe}`."


class PartNotFoundError(RequestError):
    """No part of this id is open or recorded."""

    status = 404
    code = "part_not_found"
    remedy = "Take an id from `GET /v1/parts`; a part begins with its first view."


class StationNotFoundError(RequestError):
    """No station of this name says how it fares."""

    status = 404
    code = "station_not_found"
    remedy = (
        "Take a name from `GET /v1/stations`; a station is there while it runs, and for an hour "
        "after that."
    )


class ViewNotFoundError(RequestError):
    """The recipe has no view of this name."""

    status = 404
    code = "view_not_found"
    remedy = "Take a view of the recipe: `GET /v1/recipes/{recipe}` lists them."


class SlowRequestError(RequestError):
    """The request did not come whole in time; the connection is closed."""

    status = 408
    code = "slow_request"
    remedy = "Send head and body at once; look at the network."
    title = "Request too slow"
    fixed_headers: ClassVar = {"Connection": "close"}


class HeadersTooLargeError(RequestError):
    """The request's target and headers have more bytes than the service takes."""

    status = 431
    code = "headers_too_large"
    remedy = "Send fewer or shorter headers; look for a proxy that adds some."


class ConflictError(RequestError):
    """The request does not fit the state of the model."""

    status = 409
    code = "conflict"
    remedy = "Read `detail`: the state of the model or server has to change first."


class CalibrationError(ConflictError):
    """The known pictures do not allow the wanted threshold."""

    code = "calibration"
    remedy = "Give more pictures, or ask for a larger share of false rejects."


class RecipeOutdatedError(ConflictError):
    """A model of the recipe is another one by now than when the recipe was saved."""

    code = "recipe_outdated"
    remedy = "Save the recipe again, so that its thresholds are those of the model that is there."


class RecipeChangedError(ConflictError):
    """The recipe is at another revision by now than whoever changes it has seen."""

    code = "recipe_changed"
    remedy = "Look at what was saved meanwhile, and save again with the revision that is there."


class NumberTakenError(ConflictError):
    """Another recipe has the number, by which a PLC tells recipes apart."""

    code = "number_taken"
    remedy = "Give the recipe another number: `GET /v1/recipes` lists those that are taken."


class CodesTakenError(ConflictError):
    """Another recipe has a pattern of codes, by which a station tells recipes apart."""

    code = "codes_taken"
    remedy = "Leave the pattern out of one of the recipes: `GET /v1/recipes` lists what they have."


class OtherRecipeError(ConflictError):
    """The part is open by another recipe."""

    code = "other_recipe"
    remedy = "Send all views of a part with one recipe; end the part to begin it anew."


class ViewTakenError(ConflictError):
    """The part has this view already, or it is being inspected."""

    code = "view_taken"
    remedy = "Send each view once; `GET /v1/parts/{id}` has what became of it."


class PartEndedError(ConflictError):
    """The part has its result, which no view changes any more."""

    code = "part_ended"
    remedy = "Take the result from `GET /v1/parts/{id}`; `again=true` begins another part."


class MisdirectedRequestError(RequestError):
    """The request is for the name of another server."""

    status = 421
    code = "misdirected_request"
    remedy = "Ask by the server's address, or name the host in `allowed_hosts`."


class ClientGoneError(RequestError):
    """The caller hung up before the answer was there; its work is given up."""

    status = 499
    code = "client_gone"
    remedy = (
        "Nobody reads this; it stands in logs and metrics. Wait longer, or allow less time with "
        "`timeout_ms`."
    )


class UnavailableError(TaktError):
    """The request is fine, the service cannot answer it now."""

    status = 503
    code = "unavailable"
    remedy = "Ask again later."

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
    remedy = "Send it again after `Retry-After`; if it lasts, ask for less or add servers."


class TooManyUploadsError(QueueFullError):
    """As many pictures are being sent at the same time as may be."""

    code = "too_many_uploads"
    remedy = "Send it again after `Retry-After`, and fewer at the same time."


class MemoryFullError(QueueFullError):
    """Pictures in flight take all the memory that the settings allow."""

    code = "memory_full"
    remedy = "Send it again after `Retry-After`; if it lasts, raise `max_memory_mb` or add servers."


class NotReadyError(UnavailableError):
    """The model is loading, waits for its first activation, failed, closes, or has no engine."""

    code = "not_ready"
    remedy = "Ask again later; `GET /health/ready` says what it waits for."
    title = "Model not ready"


class EngineHungError(UnavailableError):
    """The engine has not answered the batch that held the request; it is replaced."""

    code = "engine_hung"
    remedy = "Send the request again. Another engine takes over."


class EngineDiedError(UnavailableError):
    """The engine's thread ended while it had the request; it is replaced."""

    code = "engine_died"
    remedy = "Send the request again. Another engine takes over."


class EngineMemoryError(UnavailableError):
    """The engine found no memory to run the picture, not even alone."""

    code = "engine_out_of_memory"
    remedy = (
        "Send it again later; remove versions that nobody uses, or give the server more memory."
    )
    title = "Engine out of memory"


class TooManyConnectionsError(UnavailableError):
    """As many connections are open as the settings allow."""

    code = "too_many_connections"
    remedy = "Reuse connections and close idle ones, or raise `max_connections`."
    fixed_headers: ClassVar = {"Retry-After": "1"}  # idle connections make room by then


class TooManyPartsError(UnavailableError):
    """As many parts are open as may be."""

    status = 429
    code = "too_many_parts"
    remedy = "End parts whose views do not come, or give their recipes a shorter `deadline_ms`."


class TooManyStationsError(UnavailableError):
    """As many stations say how they fare as may be."""

    status = 429
    code = "too_many_stations"
    remedy = "Have stations that are one and the same report by one name; a silent one makes room."


class RecordError(UnavailableError):
    """The record's database or disk does not answer."""

    code = "record_unavailable"
    remedy = "Ask again later; whoever runs the server looks after the database or disk."


class NoRoomError(UnavailableError):
    """There is no room for a further picture to learn from."""

    status = 507
    code = "no_room"
    remedy = "Learn from the pictures that are there."


class DeadlineExceededError(UnavailableError):
    """The request's timeout passed before its answer was there."""

    status = 504
    code = "deadline_exceeded"
    remedy = "Allow more time with `timeout_ms`, or add servers."


class EngineError(TaktError):
    """The engine failed on the batch that held the request."""

    code = "engine_failed"
    remedy = "Send the request again. If it lasts, the server's log has the cause."


class BundleError(TaktError):
    """A model folder is incomplete, damaged or of another format."""

    code = "invalid_bundle"
    remedy = "Copy or export the bundle again: `takt verify` says what is wrong with it."


class MisplacedBundleError(BundleError):
    """A model folder is whole, and lies where its name and version do not say."""

    code = "misplaced_bundle"
    remedy = "Move the folder to where `detail` says."


class DriftError(BundleError):
    """An engine answers the golden inputs unlike the trained model."""

    code = "drift"
    remedy = (
        "Take another engine for the model, or export it again on this host: `takt verify` shows "
        "the figures."
    )
    title = "Engine drifts from the trained model"


class ConfigurationError(TaktError):
    """The settings want something that this host cannot do."""

    code = "configuration"
    remedy = "Whoever runs the server changes the setting that `detail` names."


class NotInstalledError(ConfigurationError):
    """A package that the request needs is not installed where the server runs."""

    status = 501
    code = "not_installed"
    remedy = "Whoever runs the server installs what `detail` names, and starts the server anew."
