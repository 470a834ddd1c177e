from __future__ import annotations

from pathlib import Path

import pytest

from takt_station.file import (
    Mistake,
    StationFile,
    StationFileError,
    parse_station,
    read_station_file,
)

GOOD = """\
[station]
name = "line3"
server = "http://127.0.0.1:8000"
recipe = 1

[cycle]
result_ms = 120
picture_ms = 40

[cameras.top]
snapshot = "http://camera/now.jpg"

[cameras.left]
source = "rtsp://camera/main"
lag_ms = 40
"""


def mistakes(text: str) -> list[tuple[int, str]]:
    found = parse_station(text)
    assert not isinstance(found, StationFile)
    return [(one.line, one.text) for one in found]


def test_a_file_says_what_a_station_is() -> None:
    found = parse_station(GOOD)

    assert isinstance(found, StationFile)
    assert (found.station.name, found.cycle.result_ms, found.plc.port) == ("line3", 120, 502)
    assert list(found.cameras) == ["top", "left"]


@pytest.mark.parametrize(
    ("before", "after", "line", "said"),
    [
        ("result_ms = 120", "result_ms = 0", 7, "cycle.result_ms: input should be greater than 0"),
        ("result_ms = 120", "", 6, "cycle.result_ms: this is missing"),
        ("recipe = 1", "recipes = 1", 4, "station.recipes: there is no such key here"),
        ("lag_ms = 40", 'snapshot = "http://c"', 13, "cameras.left: give snapshot or source"),
        ('"line3"', '"press/1"', 2, "station.name: string should match"),
        ('"http://127.0.0.1:8000"', '"127.0.0.1:8000"', 3, "station.server: string should match"),
        ("recipe = 1", "recipe = ", 4, "this is no TOML"),
        ('snapshot = "http://camera', 'snapshot = "ftp://camera', 11, "cameras.top.snapshot"),
    ],
)
def test_a_mistake_is_told_by_its_line(before: str, after: str, line: int, said: str) -> None:
    (found,) = mistakes(GOOD.replace(before, after))

    assert found[0] == line
    assert found[1].startswith(said)


def test_all_mistakes_are_told_at_once() -> None:
    text = GOOD.replace("result_ms = 120", "result_ms = -1").replace("lag_ms = 40", "lag = 40")

    assert [line for line, _ in mistakes(text)] == [7, 15]


def test_a_file_that_is_wrong_is_refused_with_each_mistake(tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_text(GOOD.replace("[cycle]", "[cycles]"))

    with pytest.raises(StationFileError) as caught:
        read_station_file(path)

    assert str(caught.value).splitlines() == [
        f"{path}:1: cycle: this is missing",
        f"{path}:6: cycles: there is no such key here",
    ]


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StationFileError, match="cannot be read: No such file"):
        read_station_file(tmp_path / "none.toml")


def test_the_line_of_a_text_that_is_cut_is_told() -> None:
    found = parse_station('[station]\nname = "line')

    assert found[0] == Mistake(2, found[0].text) if not isinstance(found, StationFile) else False
