"""An error as the caller sees it, and the first words of what pydantic finds wrong."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from takt.core.errors import TaktError

if TYPE_CHECKING:
    from pydantic import ValidationError

logger = logging.getLogger("takt.api")


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as the caller sees it, whatever the protocol."""

    status: int
    code: str
    title: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, error: TaktError) -> Problem:
        """The problem that an error of ours is."""
        return cls(error.status, error.code, error.title, str(error), error.headers)


def problem_of(error: Exception, request_id: str) -> Problem:
    """The problem to answer with; logs an error of the service, and hides a foreign one.

    >>> from takt.core.errors import ModelNotFoundError
    >>> problem_of(ModelNotFoundError("there is no model 'nut'"), "r1").status
    404

    Args:
        error: the exception that was raised.
        request_id: id of the request, for the log.
    """
    if isinstance(error, TaktError):
        if error.status == 500:
            logger.error("request %s: %s", request_id, error, exc_info=error.__cause__)
        return Problem.of(error)
    logger.error("request %s: unforeseen error", request_id, exc_info=error)
    hidden = "something unforeseen went wrong; the service's log has it under this request id"
    return Problem.of(TaktError(hidden))


def error_json(error: TaktError) -> dict[str, str]:
    """An error of ours for another process, which raises it as `error_of` makes it again."""
    return {"code": error.code, "detail": str(error)}


def error_of(told: Mapping[str, str]) -> TaktError:
    """The error that another process has met.

    >>> from takt.core.errors import DriftError
    >>> error_of(error_json(DriftError("score by 0.5")))
    DriftError('score by 0.5')
    """
    kinds: list[type[TaktError]] = [TaktError]
    for kind in kinds:
        if kind.code == told["code"]:
            return kind(told["detail"])
        kinds += kind.__subclasses__()
    return TaktError(told["detail"])


def validation_message(error: ValidationError, whole: str) -> str:
    """The first thing that pydantic finds wrong, and where (`whole` if in no field), as a line."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or whole
    return f"{where}: {first['msg']}"
