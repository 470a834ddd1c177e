"""How a setting is declared: its heading beside its default, bounds and meaning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field
from pydantic.fields import FieldInfo

_HEADING = "heading"

Joined = TypeVar("Joined", bound=BaseModel)


def _parts(value: object) -> object:
    """The parts of a text such as `1,2,4`, as the command line and the environment have it."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Numbers = Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_parts)]

Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_parts)]


PathOrUrl = Annotated[str, BeforeValidator(str)]
"""A folder, or a URL, whose slashes a path would not keep."""


def under(heading: str) -> Callable[..., Any]:
    """Declares fields that `--help` and docs/settings.md have under a heading.

    >>> pictures = under("Pictures")
    >>> heading_of(pictures(64, "Most regions in an answer.", ge=0))
    'Pictures'
    """

    def declare(default: object, description: str, **bounds: Any) -> Any:
        return Field(
            default, description=description, json_schema_extra={_HEADING: heading}, **bounds
        )

    return declare


def heading_of(field: FieldInfo) -> str:
    """The heading that a field was declared under."""
    assert isinstance(field.json_schema_extra, dict)
    return str(field.json_schema_extra[_HEADING])


def each_once(joined: type[Joined]) -> type[Joined]:
    """Refuses settings of which two of the models that they are joined of declare the same.

    >>> class Lines(BaseModel):
    ...     folder: str = "lines"
    >>> class Pages(BaseModel):
    ...     folder: str = "pages"
    >>> @each_once
    ... class Joined(Lines, Pages):
    ...     pass
    Traceback (most recent call last):
    TypeError: two parts of a server have a setting `folder`; give one of them another name
    """
    declared = Counter(
        name
        for model in joined.__mro__
        for name in vars(model).get("__annotations__", ())
        if name in joined.model_fields
    )
    for name, times in declared.items():
        if times > 1:
            raise TypeError(
                f"two parts of a server have a setting `{name}`; give one of them another name"
            )
    return joined
