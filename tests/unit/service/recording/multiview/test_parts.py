"""Parts and recipes in both databases: stored, found, and removed by their age."""

from __future__ import annotations

import pytest

from takt.core.errors import ConflictError, RecipeNotFoundError
from takt.observing.records import PartRecord
from takt.recording.audit.chain import newest_of
from takt.recording.multiview.parts import (
    PartFilters,
    insert_parts,
    inspections_of,
    part_of,
    parts_of,
)
from takt.recording.multiview.recipes import (
    StoredRecipe,
    current_recipes,
    recipe_changes,
    recipe_of,
    remove_recipe,
    save_recipe,
)
from takt.recording.record import Record
from takt.recording.retention import Retention, RetentionRule
from tests.recorded import NOON_US, insert_inspections

DAY_US = 86_400_000_000
WHO = {"who": "leader", "client": "127.0.0.1"}


def a_part(number: int, **changed: object) -> PartRecord:
    values = {
        "number": number,
        "part": "A",
        "recipe": "bracket",
        "revision": 1,
        "began_us": NOON_US,
        "ended_us": NOON_US,
        "ended_by": "views",
        "verdict": "good",
        "reason": None,
        "score": 0.5,
        "view": "top",
        "station": None,
        "lot": None,
        "views": [{"name": "top", "seen": None}],
    }
    return PartRecord(**{**values, **changed})  # type: ignore[arg-type]


def test_parts_are_found_by_id_number_recipe_and_verdict_the_latest_first(record: Record) -> None:
    some = [a_part(1), a_part(2, verdict="defect"), a_part(3, part="B", recipe="bolt")]
    insert_parts(record.database, some)
    with record.database.reading() as connection:

        def numbers(limit: int = 50, **wanted: object) -> list[int]:
            found = parts_of(connection, PartFilters(**wanted), limit)  # type: ignore[arg-type]
            return [one.number for one in found]

        assert numbers() == [3, 2, 1]
        assert numbers(part="A") == [2, 1]
        assert numbers(recipe="bolt") == [3]
        assert numbers(verdict="defect") == [2]
        assert numbers(before=3, limit=1) == [2]
        assert part_of(connection, "A") == some[1]
        assert part_of(connection, "A", 1) == some[0]
        assert part_of(connection, "A", 3) is None


def test_the_inspections_of_a_part_are_those_of_its_number(record: Record) -> None:
    of_part = {"part": "A", "part_number": 7}
    rows: list[dict[str, object]] = [
        {**of_part, "view": "top"},
        {**of_part, "view": "side"},
        {"part": "A"},
    ]
    rows.append({**of_part, "part_number": 8, "view": "top"})
    top, side, *_ = insert_inspections(record, rows)
    with record.database.reading() as connection:
        assert inspections_of(connection, "A", 7) == {"top": top, "side": side}


def test_parts_go_by_their_age_as_inspections_do(record: Record) -> None:
    insert_inspections(record, [{}])
    old, new = NOON_US - 11 * DAY_US, NOON_US - 9 * DAY_US
    insert_parts(record.database, [a_part(1, ended_us=old), a_part(2, ended_us=new)])
    retention = Retention(record, RetentionRule(record_days=10))
    retention.sweep(NOON_US, by_age=False)
    with record.database.reading() as connection:
        assert len(parts_of(connection, PartFilters(), 50)) == 2
    retention.sweep(NOON_US)
    with record.database.reading() as connection:
        assert [one.number for one in parts_of(connection, PartFilters(), 50)] == [2]


def test_a_recipe_s_revisions_stay_and_the_latest_holds(record: Record) -> None:
    database = record.database
    for number in (7, 7, 8):
        save_recipe(database, "bracket", {"number": number}, reason=None, **WHO)
    with database.reading() as connection:
        (current,) = current_recipes(connection)
        assert (current.revision, current.content) == (2, {"number": 8})
        assert recipe_of(connection, "bracket", 1).content == {"number": 7}
        before = recipe_changes(connection)
    remove_recipe(database, "bracket", reason="gone", **WHO)
    with database.reading() as connection:
        assert current_recipes(connection) == ()
        assert recipe_changes(connection) > before
        with pytest.raises(RecipeNotFoundError):
            recipe_of(connection, "bracket")
    with pytest.raises(RecipeNotFoundError):
        remove_recipe(database, "bracket", reason=None, **WHO)
    removed, *saved = newest_of(database, limit=10)
    assert (removed.action, removed.reason, removed.who) == ("recipe_removed", "gone", "leader")
    assert [one.action for one in saved] == ["recipe_changed", "recipe_changed"]


def test_no_two_recipes_have_one_number_until_one_is_removed(record: Record) -> None:
    database = record.database
    save_recipe(database, "bracket", {"number": 7}, reason=None, **WHO)
    with pytest.raises(ConflictError, match="'bracket' has the number 7"):
        save_recipe(database, "bolt", {"number": 7}, reason=None, **WHO)
    remove_recipe(database, "bracket", reason=None, **WHO)
    assert save_recipe(database, "bolt", {"number": 7}, reason=None, **WHO).revision == 1


def test_no_two_recipes_have_one_pattern_of_codes_until_one_leaves_it_out(record: Record) -> None:
    def save(name: str, number: int, *codes: str) -> StoredRecipe:
        content = {"number": number, "codes": [*codes]}
        return save_recipe(record.database, name, content, reason=None, **WHO)

    save_recipe(record.database, "old", {"number": 1}, reason=None, **WHO)
    save("bracket", 7, "AB-*", "AC-*")
    with pytest.raises(ConflictError, match=r"'bracket' has the codes AB-\*; leave them out"):
        save("bolt", 8, "AB-*", "CD-*")
    save("bolt", 8, "CD-*", "ab-*")
    save("bracket", 7, "AC-*")
    assert save("bolt", 8, "AB-*", "CD-*").revision == 2
