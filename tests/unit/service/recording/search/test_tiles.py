"""Tiles of a grid, in both databases."""

from __future__ import annotations

from typing import Any

import pytest

from takt.core.errors import InvalidParameterError
from takt.recording.record import Record
from takt.recording.search.filters import Filters
from takt.recording.search.pages import page_of
from takt.recording.search.tiles import InspectionTile, TilePage, tiles_of
from tests.recorded import NOON_US, insert_inspections

REGIONS = '[{"box":[1,2,3,4],"area":9,"peak":0.75},{"box":[5,6,7,8],"area":2,"peak":0.5}]'


def tiles(record: Record, filters: Filters, **given: Any) -> TilePage:
    with record.database.reading() as connection:
        return tiles_of(connection, filters, **given)


def test_a_tile_has_what_a_grid_shows(record: Record) -> None:
    (number,) = insert_inspections(
        record,
        [
            {
                **{"anomalous": True, "score": 0.75, "regions": REGIONS, "part": "P1"},
                **{"kept": "reject", "picture": True, "sha256": bytes(32), "judgement": "good"},
            }
        ],
    )
    (tile,) = tiles(record, Filters()).tiles
    assert tile == InspectionTile(
        id=number,
        at="2026-03-01T12:00:00.000000Z",
        anomalous=True,
        score=0.75,
        threshold=0.5,
        width=64,
        height=48,
        boxes=[[1, 2, 3, 4], [5, 6, 7, 8]],
        part="P1",
        kept="reject",
        judgement="good",
        picture="00" * 32,
        verdict="defect",
        of_part=None,
    )


def test_a_tile_says_that_its_picture_could_not_be_judged(record: Record) -> None:
    insert_inspections(record, [{"anomalous": True, "undecided": "{}"}, {}])
    assert [tile.verdict for tile in tiles(record, Filters()).tiles] == ["good", "undecided"]


def test_a_picture_that_is_gone_is_not_named(record: Record) -> None:
    insert_inspections(record, [{"kept": "reject", "sha256": bytes(32)}, {"picture": True}])
    assert [tile.picture for tile in tiles(record, Filters()).tiles] == [None, None]


def test_tiles_come_as_pages_of_inspections_do(record: Record) -> None:
    rows: list[dict[str, Any]] = [
        {"at_us": NOON_US + number // 2, "kept": ("reject", "near", "sample", None)[number % 4]}
        for number in range(20)
    ]
    insert_inspections(record, rows)
    for filters in (Filters(), Filters(kept="any"), Filters(kept="near"), Filters(score_min=0.1)):
        with record.database.reading() as connection:
            wanted = [one.id for one in page_of(connection, filters).inspections]
        found, after = [], None
        while True:
            page = tiles(record, filters, limit=3, after=after)
            found += [tile.id for tile in page.tiles]
            if (after := page.next) is None:
                break
        assert found == wanted


@pytest.mark.parametrize("limit", [0, 2001])
def test_a_page_of_tiles_is_bounded(sqlite_record: Record, limit: int) -> None:
    with pytest.raises(InvalidParameterError, match="2000"):
        tiles(sqlite_record, Filters(), limit=limit)


def test_a_recent_picture_is_there_and_nothing_has_chosen_it(record: Record) -> None:
    insert_inspections(record, [{"kept": "recent", "picture": True, "sha256": bytes(32)}])
    (tile,) = tiles(record, Filters(kept="recent")).tiles
    assert (tile.kept, tile.picture) == (None, "00" * 32)
    assert tiles(record, Filters(kept="any")).tiles == []
