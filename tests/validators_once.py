"""A validator that FastAPI has made for one app is the one of every app that declares the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi._compat import ModelField
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo


@contextmanager
def each_validator_once() -> Iterator[None]:
    """Apps whose routes declare the same share validators.

    FastAPI makes hundreds of them for an app, and many again at its first request. That is half of
    the time that a test with an app takes, and a validator is a function of the declaration alone.
    """
    make = ModelField.__post_init__
    made: dict[object, TypeAdapter[Any]] = {}

    def make_once(field: ModelField) -> None:
        declared = (
            field.field_info.annotation,
            FieldInfo.__repr__(field.field_info),
            repr(field.config),
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

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ModelField, "__post_init__", make_once)
        yield
