"""What clients send: the bases of its schemas, and how it is checked."""

from __future__ import annotations

from typing import Annotated, TypeVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict, ValidationError

from takt.core.bundles.thresholds import MAX_REASON
from takt.core.errors import InvalidParameterError
from takt.core.problem import validation_message

Given = TypeVar("Given", bound=BaseModel)

Reason = Annotated[str | None, Query(max_length=MAX_REASON, description="Kept and logged.")]
"""Why somebody wants a change, in its query."""


class QueryIn(BaseModel):
    """Base of what a query says: an unknown name is refused, since it may be a typo."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class BodyIn(QueryIn):
    """Base of what JSON says, which has types: a number as a text is refused."""

    model_config = ConfigDict(strict=True)


def validated(kind: type[Given], said: object, whole: str) -> Given:
    """What somebody has sent, if it fits its schema.

    >>> class WishIn(BodyIn):
    ...     number: int
    >>> validated(WishIn, {"number": "7"}, "the wish")
    Traceback (most recent call last):
    takt.core.errors.InvalidParameterError: number: Input should be a valid integer

    Args:
        kind: the schema.
        said: what came.
        whole: its name, for an error that is of no field.

    Raises:
        InvalidParameterError: names the first thing that is wrong.
    """
    try:
        return kind.model_validate(said)
    except ValidationError as error:
        raise InvalidParameterError(validation_message(error, whole)) from None
