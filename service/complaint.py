"""What pydantic finds wrong, in one line for whoever wrote it."""

from __future__ import annotations

from pydantic import ValidationError


def first_complaint(error: ValidationError, whole: str) -> str:
    """The first thing that is wrong, and where.

    Args:
        error: of a model.
        whole: what is wrong where it is no single field.
    """
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or whole
    return f"{where}: {first['msg']}"
