"""Rows of the database as stored inspections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from sqlalchemy import Row, Select, select

from takt.core.domain import Box, Reason, Region, VerdictName, verdict_name, witness_of
from takt.observing.records import Deciding, deciding
from takt.recording.search.stored import COLUMNS, StoredInspection
from takt.recording.search.times import time_of
from takt.recording.tables import inspections, parts, sources

_OF_SOURCE: Final = ("digest", "engine", "variant", "runtime", "processor")
_OF_PART: Final = ("verdict", "reason", "views")
_READ: Final = ("at_us", "regions", "warnings", "sha256", "tags", "judged_at_us", "undecided")
_AS_THEY_ARE: Final = tuple(
    one.name for one in COLUMNS if one.name in inspections.c and one.name not in _READ
)


def stored_rows() -> Select[Any]:
    """The rows that `stored_of` reads, of all inspections."""
    columns = [inspections.c[name] for name in (*_AS_THEY_ARE, *_READ)]
    of_source = (sources.c[name] for name in _OF_SOURCE)
    of_part = (parts.c[name].label(f"part_{name}") for name in _OF_PART)
    return (
        select(*columns, *of_source, *of_part)
        .join_from(inspections, sources, inspections.c.source_id == sources.c.id)
        .outerjoin(parts, inspections.c.part_number == parts.c.number)
    )


def stored_of(row: Row[Any]) -> StoredInspection:
    """The inspection that a row of `stored_rows` has."""
    found = row._mapping
    judged_at_us, sha256 = found["judged_at_us"], found["sha256"]
    fields: dict[str, Any] = {name: found[name] for name in (*_AS_THEY_ARE, *_OF_SOURCE)}
    verdict = verdict_name(found["anomalous"], found["undecided"])
    decided = decided_of(found["part_verdict"], found["part_reason"], found["part_views"])
    return StoredInspection(
        **fields,
        at=time_of(found["at_us"]),
        regions=_regions(found["regions"]),
        warnings=tuple(found["warnings"].split(",")) if found["warnings"] else (),
        sha256=None if sha256 is None else bytes(sha256).hex(),
        tags=_tags(found["tags"]),
        verdict=verdict,
        witness=witness_of(verdict, found["score"], found["threshold"]),
        part_verdict=found["part_verdict"],
        part_reason=found["part_reason"],
        part_decided_by=decided.view,
        part_witness=decided.witness,
        undecided=_undecided(found["undecided"]),
        judged_at=None if judged_at_us is None else time_of(judged_at_us),
    )


def decided_of(verdict: VerdictName | None, reason: str | None, views: str | None) -> Deciding:
    """What decided on a part, of its row's columns; nothing where it has no result yet."""
    if verdict is None or views is None:
        return Deciding()
    return deciding(verdict, reason, orjson.loads(views))


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
