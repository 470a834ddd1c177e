"""Every setting of the service."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from pydantic.fields import FieldInfo

from docs._reference.markdown import prose, table
from takt.declaration import heading_of
from takt.settings import ENV_PREFIX, Settings


def settings() -> str:
    """A table under each heading: name and variable, default, meaning."""
    return "\n\n".join(
        f"## {heading}\n\n{_table(fields)}"
        for heading, fields in groupby(
            Settings.model_fields.items(), lambda named: heading_of(named[1])
        )
    )


def _table(fields: Iterable[tuple[str, FieldInfo]]) -> str:
    return table(
        ("setting, variable", "default", "what it does"),
        (
            (
                f"`{name}`<br>`{ENV_PREFIX}{name.upper()}`",
                _shown(field.default),
                prose(field.description or ""),
            )
            for name, field in fields
        ),
    )


def _shown(default: object) -> str:
    return "" if default in (None, "", ()) else f"`{default}`"
