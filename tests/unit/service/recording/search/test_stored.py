"""What is declared of a stored inspection is what the guide tells and what the code reads."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from click import Command

from takt.api.records.filters import FiltersIn
from takt.commands.records.command import records
from takt.recording.search.filters import Filters
from takt.recording.search.stored import COLUMNS, StoredInspection

GUIDE = Path(__file__).parents[5] / "docs" / "record.md"


def columns_table() -> list[str]:
    return [
        "| column | what it is | unit |",
        "|---|---|---|",
        *(f"| `{one.name}` | {one.meaning} | {one.unit} |" for one in COLUMNS),
    ]


def test_the_guide_has_every_column() -> None:
    wanted = "\n".join(columns_table())
    assert f"\n\n{wanted}\n\n" in GUIDE.read_text("utf-8"), f"put into record.md:\n\n{wanted}"


def test_every_field_is_a_column_with_a_meaning() -> None:
    assert [one.name for one in COLUMNS] == [one.name for one in fields(StoredInspection)]
    assert all(one.meaning.endswith(".") for one in COLUMNS)
    assert all(one.unit for one in COLUMNS if one.name.endswith(("_ms", "_bytes", "width")))


def test_every_filter_has_an_option_in_the_query_and_at_the_terminal_and_is_in_the_guide() -> None:
    names = {one.name.removesuffix("_us") for one in fields(Filters)}
    assert set(FiltersIn.model_fields) == names
    assert isinstance(records, Command)
    options = {option for one in records.params for option in one.opts}
    guide = GUIDE.read_text("utf-8")
    for name in names:
        assert f"--{name.replace('_', '-')}" in options
        assert f"| `{name}` |" in guide
