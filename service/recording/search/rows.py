"""Rows of the database as stored inspections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from sqlalchemy import Row, Select, select

from service.core.domain import Box, Reason, Region, verdict_name
from service.recording.search.stored import COLUMNS, StoredInspection
from service.recording.search.times import time_of
from service.recording.tables import inspections, sources

_OF_SOURCE: Final = ("digest", "engine", "variant", "runtime", "processor")
_READ: Final = ("at_us", "regions", "warnings", "sha256", "tags", "judged_at_us", "undecided")
_AS_THEY_ARE: Final = tuple(
    one.name for one in COLUMNS if one.name in inspections.c and one.name not in _READ
)


def stored_rows() -> Select[Any]:
    """The rows that `stored_of` reads, of all inspections."""
    columns = [inspections.c[name] for name in (*_AS_THEY_ARE, *_READ)]
    return select(*columns, *(sources.c[name] for name in _OF_SOURCE)).join_from(
        inspections, sources, inspections.c.source_id == sources.c.id
    )


def stored_of(row: Row[Any]) -> StoredInspection:
    """The inspection that a row of `stored_rows` has."""
    found = row._mapping
    judged_at_us, sha256 = found["judged_at_us"], found["sha256"]
    fields: dict[str, Any] = {name: found[name] for name in (*_AS_THEY_ARE, *_OF_SOURCE)}
    return StoredInspection(
        **fields,
        at=time_of(found["at_us"]),
        regions=_regions(found["regions"]),
        warnings=tuple(found["warnings"].split(",")) if found["warnings"] else (),
        sha256=None if sha256 is None else bytes(sha256).hex(),
        tags=_tags(found["tags"]),
        verdict=verdict_name(found["anomalous"], found["undecided"]),
        undecided=_undecided(found["undecided"]),
        judged_at=None if judged_at_us is None else time_of(judged_at_us),
    )


def _regions(text: str | None) -> tuple[Region, ...]:
    if text is None:
        return ()
    return tuple(
        Region(Box(*region["box"]), region["area"], region["peak"]) for region in orjson.loads(text)
    )


def _undecided(text: str | None) -> Reason | None:
    return None if text is None else Reason(**orjson.loads(text))


def _tags(text: str | None) -> Mapping[str, str]:
    return {} if text is None else orjson.loads(text)
