"""What FastAPI makes of a declared route it makes once, however many apps have that route."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import fastapi.dependencies.utils
import fastapi.routing
import pytest
from fastapi._compat import ModelField
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

Read = Callable[[Callable[..., Any]], Any]


@contextmanager
def each_declaration_once() -> Iterator[None]:
    """Apps share the validators of their routes, and what was read off their signatures.

    FastAPI makes hundreds of validators for an app, and many again at its first request. Both are
    functions of what the source declares, and without this they are most of what an app costs.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ModelField, "__post_init__", _each_validator_once())
        for module, name in (
            (fastapi.dependencies.utils, "get_typed_signature"),
            (fastapi.routing, "get_typed_return_annotation"),
        ):
            patch.setattr(module, name, _each_function_once(getattr(module, name)))
        module = fastapi.dependencies.utils
        patch.setattr(module, "analyze_param", _each_parameter_once(module.analyze_param))
        yield


def _each_validator_once() -> Callable[[ModelField], None]:
    make = ModelField.__post_init__
    made: dict[object, TypeAdapter[Any]] = {}

    def make_once(field: ModelField) -> None:
        declared = (
            field.field_info.annotation,
            FieldInfo.__repr__(field.field_info),
            repr(getattr(field, "config", None)),  # which the oldest FastAPI does not have
        )
        try:
            known = made.get(declared)
        except TypeError:  # an annotation that cannot be hashed
            make(field)
            return
        if known is None:
            make(field)
            made[declared] = field._type_adapter
        else:
            field._type_adapter = known

    return make_once


def _each_function_once(read: Read) -> Read:
    known: dict[object, tuple[Any, Callable[..., Any]]] = {}

    def read_once(call: Callable[..., Any]) -> Any:
        # A wrapped function, or one with attributes, may say something else than its code.
        if not isinstance(call, FunctionType) or vars(call):
            return read(call)
        defaults = (*(call.__defaults__ or ()), *(call.__kwdefaults__ or {}).values())
        declared = (call.__code__, *map(id, defaults))
        if declared not in known:
            # The function is kept, so that no other default gets an id of its own.
            known[declared] = read(call), call
        return known[declared][0]

    return read_once


def _each_parameter_once(analyze: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[object, tuple[Any, object, object]] = {}

    def analyze_once(*, param_name: str, annotation: Any, value: Any, **path: Any) -> Any:
        # The oldest FastAPI says itself whether it is of the path.
        of_path = path.get("is_path_param") or param_name in path.get("path_param_names", ())
        declared = (param_name, id(annotation), id(value), of_path)
        if declared not in known:
            found = analyze(param_name=param_name, annotation=annotation, value=value, **path)
            # Both are kept, so that nothing else gets their ids.
            known[declared] = found, annotation, value
        return known[declared][0]

    return analyze_once
