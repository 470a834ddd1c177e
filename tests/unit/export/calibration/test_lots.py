from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from takt_export.calibration.grouping import Grouped, Grouping
from takt_export.calibration.lots import NO_LOTS, Lots, day_in_name, lots_of
from takt_export.calibration.parts import Parts
from takt_export.errors import PicturesError


def paths(folder: str, *names: str) -> list[Path]:
    return [Path(folder) / f"{name}.png" for name in names]


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("20260131", "2026-01-31"),
        ("cam_20260131_081500", "2026-01-31"),
        ("20260131081500", "2026-01-31"),
        ("20260131081500123", "2026-01-31"),
        ("01_200828110135_332500_225", "2020-08-28"),
        ("202601310815", "2026-01-31"),
        ("260131_081500", "2026-01-31"),
        ("2026-01-31T08.15", "2026-01-31"),
        ("2026_01_31 part 7", "2026-01-31"),
        ("part 7", None),
        ("00041001", None),
        ("20261331", None),
        ("2026-01-31 to 2026-02-01", None),
        ("f03_0002_x1280", None),
    ],
)
def test_a_name_tells_the_day_if_it_has_one(name: str, day: str | None) -> None:
    assert day_in_name(name) == day


def test_folders_are_lots_unasked() -> None:
    found = lots_of([*paths("mon", *"abc"), *paths("tue", *"def")], "auto")
    assert (found.count, found.told_by) == (2, "folders")


def test_folders_of_one_name_are_told_by_their_parents() -> None:
    found = lots_of([*paths("mon/good", *"abc"), *paths("tue/good", *"abc")], "folder")
    assert {*found.of} == {"mon/good", "tue/good"}


def test_days_in_the_names_are_lots_where_all_pictures_lie_in_one_folder() -> None:
    names = [f"cam_2026010{day}_{number:06}" for day in (1, 2, 3) for number in range(4)]
    found = lots_of(paths("good", *names), "auto")
    assert (found.count, found.told_by) == (3, "days in the names")
    assert found.are_apart


@pytest.mark.parametrize(
    "names",
    [
        ["a", "b", "c", "20260101", "20260102", "20260103"],  # some tell none
        [f"202601{day:02}" for day in range(1, 20)],  # each its own: no lots, but parts
        ["20260101_1", "20260101_2", "20260101_3", "20260101_4"],  # one day
    ],
    ids=["not all", "one picture a day", "one day"],
)
def test_where_days_tell_no_lots_nothing_does(names: list[str]) -> None:
    assert lots_of(paths("good", *names), "auto") == NO_LOTS


def test_the_days_that_a_camera_wrote_are_lots(tmp_path: Path) -> None:
    for number in range(9):
        picture = Image.new("RGB", (8, 8))
        exif = picture.getexif()
        exif[306] = f"2026:01:0{number // 3 + 1} 08:15:00"
        picture.save(tmp_path / f"{number}.jpg", exif=exif)
    found = lots_of(sorted(tmp_path.iterdir()), "auto")
    assert (found.count, found.told_by) == (3, "days that the camera wrote")
    assert found.of[0] == "2026-01-01"


@pytest.mark.parametrize("tail", [b"", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"\xff\xe1\0\x04no"])
def test_a_file_without_usable_metadata_tells_no_lot(tmp_path: Path, tail: bytes) -> None:
    for number in range(9):
        (tmp_path / f"{number}.jpg").write_bytes(b"\xff\xd8\xff\xe1\0\x20" + tail)
    assert lots_of(sorted(tmp_path.iterdir()), "auto") == NO_LOTS


def test_a_pattern_names_lots() -> None:
    found = lots_of(paths("good", "roll1_a", "roll2_a", "roll1_b"), re.compile(r"roll(\d)"))
    assert found.of == ("1", "2", "1")
    with pytest.raises(PicturesError, match=r"--lot 'reel' does not match 'good/roll1_a\.png'"):
        lots_of(paths("good", "roll1_a"), re.compile("reel"))


def test_nothing_tells_lots_where_none_are_wanted() -> None:
    assert lots_of([*paths("mon", *"abc"), *paths("tue", *"abc")], "none") == NO_LOTS


def test_a_part_lies_in_the_lot_of_its_first_picture() -> None:
    lots = Lots(("mon", "tue", "tue", "wed"), "folders")
    grouped = Grouped(Parts.single(4), Parts.of("xxyz"), lots)
    assert grouped.lots_apart == ("mon", "mon", "tue", "wed")
    assert grouped.apart == (0, 0, 1, 2)


def test_two_lots_are_too_few_to_be_held_apart() -> None:
    grouped = Grouped(Parts.single(4), Parts.of("xxyz"), Lots(("a", "a", "b", "b"), "folders"))
    assert (grouped.lots_apart, grouped.apart) == ((), (0, 0, 1, 2))


def test_near_copies_count_once_and_pictures_of_a_named_part_each() -> None:
    pictures = paths("good", "part1_a", "part1_b", "part2_a")
    grouped = Grouping(re.compile(r"part(\d)"), "none").grouped(pictures)
    assert (grouped.parts.count, grouped.groups.count) == (3, 2)
    assert grouped.text == "of 2 parts"
