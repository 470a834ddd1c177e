"""Judged pictures of the record become the folder that a model is taught by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from takt.core.domain import RawPicture
from takt.core.errors import ConflictError, NoRoomError
from takt.core.judged import LINES, read_judged
from takt.learning import judged
from takt.learning.judged import GatheredJudged, gather_judged
from takt.recording.pictures import PictureKey, format_of, sha256_of
from takt.recording.record import Record
from takt.recording.review.judging import NewJudgement, judge
from takt.recording.search.pages import inspection_of
from takt.recording.search.pictures import picture_key_of
from tests.recorded import NOON_US, insert_inspections

Keep = Callable[..., int]


@pytest.fixture
def keep(record: Record, picture_bytes: Callable[..., bytes]) -> Keep:
    """Store an inspection of `bolt` with its picture; a level is that of a grey one."""

    def store(picture: Any, /, **fields: Any) -> int:
        data = picture_bytes(picture) if isinstance(picture, int) else picture
        row = {
            "kept": "sample",
            "picture": True,
            "sha256": bytes.fromhex(sha256_of(data)),
            "input_format": format_of(data),
            "input_bytes": len(data) if isinstance(data, bytes) else len(data.pixels),
        } | fields
        key = PictureKey(row.get("at_us", NOON_US), sha256_of(data), row["input_format"])
        record.pictures.write(key, data)
        (number,) = insert_inspections(record, [row])
        return number

    return store


def gather(record: Record, folder: Path, **changed: Any) -> GatheredJudged:
    bounds = {"most": 100, "most_bytes": 10**9, "told": lambda done, of: None} | changed
    version = bounds.pop("version", "1")
    return gather_judged(record, "bolt", version, folder, **bounds)


def say(record: Record, word: Any, *ids: int) -> None:
    judge(record.database, ids, NewJudgement(word, "ann"))


def file_of(record: Record, number: int) -> Path:
    with record.database.reading() as connection:
        return record.pictures.folder / picture_key_of(inspection_of(connection, number)).path


def names(folder: Path) -> set[str]:
    return {one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()}


def test_what_was_judged_and_what_was_passed_lie_beside_each_other(
    record: Record, keep: Keep, tmp_path: Path
) -> None:
    bad, good, passed = keep(1), keep(2, anomalous=True), keep(3)
    raw = keep(RawPicture(bytes(range(72)), 6, 4, "rgb8"), kept="near")
    say(record, "defect", bad)
    say(record, "good", good)
    found = gather(record, tmp_path / "out")
    assert (found.defects, found.good, found.passed, found.pictures) == (1, 1, 2, 4)
    files = names(tmp_path / "out")
    assert files == {
        LINES,
        f"defect/inspection-{bad}.png",
        f"good/inspection-{good}.png",
        f"passed/inspection-{passed}.png",
        f"passed/inspection-{raw}.png",
    }
    assert found.bytes == sum((tmp_path / "out" / one).stat().st_size for one in files)
    assert [one.inspection for one in read_judged(tmp_path / "out")] == [bad, good]


def test_only_what_the_version_passed_and_nobody_judged_compares(
    record: Record, keep: Keep, tmp_path: Path
) -> None:
    say(record, "defect", keep(1))
    say(record, "unsure", keep(2))
    wanted = keep(3)
    for number, other in enumerate(
        (
            {"anomalous": True},
            {"version": "2"},
            {"model": "nut"},
            {"kept": "reject"},
            {"picture": False},
        )
    ):
        keep(10 + number, **other)
    keep(1)  # the same picture as the defect
    keep(2)  # the same as one that somebody is not sure of
    gone = keep(4)
    file_of(record, gone).unlink()
    gather(record, tmp_path / "out")
    assert [one.name for one in (tmp_path / "out/passed").iterdir()] == [f"inspection-{wanted}.png"]


def test_the_newest_compare(
    record: Record, keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judged, "MOST_PASSED", 2)
    say(record, "defect", keep(1))
    ids = [
        keep(10 + age, at_us=NOON_US - age, kept="near" if age % 2 else "sample")
        for age in range(4)
    ]
    assert gather(record, tmp_path / "out").passed == 2
    assert names(tmp_path / "out/passed") == {f"inspection-{one}.png" for one in ids[:2]}


def test_a_damaged_picture_that_nobody_judged_is_left_out(
    record: Record, keep: Keep, tmp_path: Path
) -> None:
    bad, passed = keep(1), keep(2)
    say(record, "defect", bad)
    file_of(record, passed).write_bytes(b"")
    assert gather(record, tmp_path / "out").passed == 0


def test_without_an_active_version_nothing_compares(
    record: Record, keep: Keep, tmp_path: Path
) -> None:
    say(record, "defect", keep(1))
    keep(2)
    assert gather(record, tmp_path / "out", version=None).passed == 0
    assert (tmp_path / "out/passed").is_dir()


@pytest.mark.parametrize("words", [(), ("good",), ("unsure",)])
def test_a_model_is_taught_by_defects(
    record: Record, keep: Keep, tmp_path: Path, words: tuple[str, ...]
) -> None:
    for level, word in enumerate(words):
        say(record, word, keep(level))
    with pytest.raises(ConflictError, match="judge some first"):
        gather(record, tmp_path / "out")


def test_the_latest_judged_ones_find_room(
    record: Record, keep: Keep, tmp_path: Path, picture_bytes: Callable[..., bytes]
) -> None:
    ids = [keep(level) for level in range(4)]
    for one in reversed(ids):
        say(record, "defect", one)
    keep(9)
    size = max(len(picture_bytes(level)) for level in range(4))
    by_number = gather(record, tmp_path / "number", most=3)
    assert (by_number.defects, by_number.older, by_number.passed) == (3, 1, 1)
    by_size = gather(record, tmp_path / "size", most_bytes=2 * size)
    assert (by_size.defects, by_size.older, by_size.passed) == (2, 2, 0)
    assert [one.inspection for one in read_judged(tmp_path / "size")] == ids[:2]
    for room in (0, 1):
        with pytest.raises(NoRoomError, match="make room"):
            gather(record, tmp_path / "full", most_bytes=room)


def test_where_only_good_ones_find_room_it_says_so(
    record: Record, keep: Keep, tmp_path: Path
) -> None:
    say(record, "defect", keep(1))
    say(record, "good", keep(2))
    with pytest.raises(ConflictError, match="all of these are good"):
        gather(record, tmp_path / "out", most=1)


def test_it_ends_where_nobody_wants_it_any_more_and_leaves_nothing_behind(
    record: Record, keep: Keep, tmp_path: Path
) -> None:
    say(record, "defect", *(keep(level) for level in range(3)))
    steps: list[tuple[int, int]] = []

    def told(done: int, of: int) -> None:
        steps.append((done, of))
        if done == 1:
            raise KeyError

    with pytest.raises(KeyError):
        gather(record, tmp_path / "out", told=told)
    assert steps == [(0, 3), (1, 3)]
    assert not [one for one in tmp_path.iterdir() if "out" in one.name]
