"""Judged pictures as folders that the offline commands read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from takt.core.domain import Box, RawPicture
from takt.core.errors import (
    ConfigurationError,
    InspectionNotFoundError,
    InvalidParameterError,
    RecordError,
)
from takt.core.judged import JudgedFile, read_judged
from takt.recording.pictures import PictureKey, format_of, sha256_of
from takt.recording.record import Record
from takt.recording.review import folders
from takt.recording.review.folders import ExportedFolders, export_folders
from takt.recording.review.history import history
from takt.recording.review.judging import NewJudgement, judge, withdraw
from takt.recording.search.filters import Filters
from takt.recording.search.times import time_of
from takt_export.evaluation.data_sets import read_data_set
from takt_export.pictures import list_pictures, read_picture
from tests.recorded import NOON_US, insert_inspections


def encoded(level: int, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, np.full((4, 6, 3), level, np.uint8))[1].tobytes()


def keep(record: Record, picture: bytes | RawPicture, **fields: Any) -> int:
    """Store an inspection with its picture."""
    row: dict[str, Any] = {
        "kept": "sample",
        "picture": True,
        "sha256": bytes.fromhex(sha256_of(picture)),
        "input_format": format_of(picture),
    } | fields
    record.pictures.write(PictureKey(NOON_US, sha256_of(picture), row["input_format"]), picture)
    (number,) = insert_inspections(record, [row])
    return number


def say(record: Record, word: Any, *ids: int) -> None:
    judge(record.database, ids, NewJudgement(word, "ann"))


def test_judged_pictures_become_folders_that_commands_read(record: Record, tmp_path: Path) -> None:
    good = keep(record, encoded(90))
    raw = keep(record, RawPicture(bytes(range(72)), 6, 4, "rgb8"))
    bad = keep(record, encoded(200, ".jpg"))
    unsure, unjudged = keep(record, encoded(150)), keep(record, encoded(151))
    (unkept,) = insert_inspections(record, [{}])
    say(record, "good", good, raw, unkept)
    say(record, "defect", bad)
    say(record, "unsure", unsure)
    found = export_folders(record, Filters(model="bolt"), tmp_path / "out")
    assert found == ExportedFolders(2, 1, unsure=1, missing=1, repeated=0, unread=0)
    assert found.lines()[:2] == ["2 good, 1 defective", "left out: 1 judged unsure"]
    names = [path.name for path in list_pictures(tmp_path / "out/good")]
    assert names == [f"inspection-{good}.png", f"inspection-{raw}.png"]
    assert (tmp_path / "out/good" / names[0]).read_bytes() == encoded(90)
    levels = read_picture(tmp_path / "out/good" / names[1])
    assert levels.tobytes() == bytes(range(72))
    samples = read_data_set(tmp_path / "out").samples
    assert [sample.defect for sample in samples] == ["defect", None, None]
    assert unjudged not in {int(path.stem[11:]) for path in (tmp_path / "out").rglob("*-*.*")}


def test_the_latest_judgement_of_a_picture_counts_once(record: Record, tmp_path: Path) -> None:
    first, second = keep(record, encoded(90)), keep(record, encoded(90))
    say(record, "good", second)
    say(record, "defect", first)
    found = export_folders(record, Filters(), tmp_path / "out")
    assert (found.good, found.defects, found.repeated) == (0, 1, 1)
    assert (tmp_path / f"out/defect/inspection-{first}.png").is_file()


def test_a_line_says_what_stands_of_each_picture(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_CHUNK", 1)
    raw = RawPicture(bytes(range(72)), 6, 4, "rgb8")
    good, bad = keep(record, raw), keep(record, encoded(200), version="2")
    say(record, "good", good)
    marked = NewJudgement("defect", "bob", "scratch", "left", Box(1, 0, 3, 2))
    judge(record.database, [bad], marked)
    judge(record.database, [bad], NewJudgement("defect", "ann", "dent"))
    withdraw(record.database, [bad], "ann")
    export_folders(record, Filters(), tmp_path / "out")
    said = history(record.database, bad).said[0]
    first, second = read_judged(tmp_path / "out")
    written = (tmp_path / "out" / first.file).read_bytes()
    assert (first.judgement, first.kind, first.box) == ("good", None, None)
    assert first.sha256 == sha256_of(written) != sha256_of(raw)
    assert second == JudgedFile(
        file=f"defect/inspection-{bad}.png",
        sha256=sha256_of(encoded(200)),
        judgement="defect",
        kind="scratch",
        box=Box(1, 0, 3, 2),
        inspection=bad,
        judgement_id=said.id,
        reviewer="bob",
        judged_at=time_of(said.at_us),
        model="bolt",
        version="2",
    )


def test_a_line_says_where_reviewers_disagree(record: Record, tmp_path: Path) -> None:
    disputed, settled, unsure = (keep(record, encoded(level)) for level in (90, 91, 92))
    for who, word, number in (
        ("ann", "good", disputed),
        ("bob", "defect", disputed),
        ("ann", "good", settled),
        ("ann", "defect", settled),
        ("ann", "unsure", unsure),
        ("bob", "defect", unsure),
    ):
        judge(record.database, [number], NewJudgement(word, who))
    export_folders(record, Filters(), tmp_path / "out")
    found = {one.inspection: one.disputed for one in read_judged(tmp_path / "out")}
    assert found == {disputed: True, settled: False, unsure: False}


def test_of_more_pictures_than_may_be_the_latest_judged_are_written(
    record: Record, tmp_path: Path
) -> None:
    ids = [keep(record, encoded(90 + number)) for number in range(6)]
    again = keep(record, encoded(90))
    (unkept,) = insert_inspections(record, [{"sha256": bytes(32), "kept": "sample"}])
    # The fourth was inspected early and is judged last; the first is judged again as another one.
    for number in (ids[0], ids[1], ids[2], ids[4], ids[5], unkept, again, ids[3]):
        say(record, "defect", number)
    found = export_folders(record, Filters(), tmp_path / "out", most=2)
    assert (found.defects, found.missing, found.repeated + found.older) == (2, 1, 5)
    assert [one.inspection for one in read_judged(tmp_path / "out")] == [ids[3], again]
    assert found.lines()[-1].endswith(" judged before these, which are as many as may be")


def test_a_judgement_that_is_taken_back_meanwhile_is_left_out(
    sqlite_record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stays, goes = keep(sqlite_record, encoded(90)), keep(sqlite_record, encoded(91))
    say(sqlite_record, "good", stays, goes)
    chosen = folders._Latest.ids

    def ids(latest: Any) -> list[int]:
        withdraw(sqlite_record.database, [goes], "ann")
        return chosen(latest)

    monkeypatch.setattr(folders._Latest, "ids", ids)
    assert export_folders(sqlite_record, Filters(), tmp_path / "out").good == 1
    assert [one.inspection for one in read_judged(tmp_path / "out")] == [stays]


def test_a_picture_that_was_removed_is_left_out(sqlite_record: Record, tmp_path: Path) -> None:
    there, gone = keep(sqlite_record, encoded(90)), keep(sqlite_record, encoded(91))
    say(sqlite_record, "good", there, gone)
    key = PictureKey(NOON_US, sha256_of(encoded(91)), "png")
    sqlite_record.pictures.remove(key.path)
    found = export_folders(sqlite_record, Filters(), tmp_path / "out")
    assert (found.good, found.missing) == (1, 1)


@pytest.mark.parametrize("left", [b"", encoded(12)], ids=["empty", "another one"])
def test_a_damaged_picture_keeps_no_other_from_being_written(
    sqlite_record: Record, tmp_path: Path, left: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = [keep(sqlite_record, encoded(level)) for level in (90, 91)]
    say(sqlite_record, "good", *numbers)
    damaged = sha256_of(encoded(90))
    (file,) = sqlite_record.pictures.folder.rglob(f"{damaged}*")
    file.write_bytes(left)
    found = export_folders(sqlite_record, Filters(), tmp_path / "out")
    assert (found.good, found.unread, found.missing) == (1, 1, 0)
    assert found.lines()[1] == "left out: 1 whose pictures cannot be read (again)"
    assert damaged in caplog.text
    # A disk that does not answer is none of the picture's doing.
    file.unlink()
    file.mkdir()
    with pytest.raises(RecordError, match="cannot be read"):
        export_folders(sqlite_record, Filters(), tmp_path / "more")


@pytest.mark.parametrize("folder", [".", "made/.."])
def test_the_folder_where_one_is_is_not_replaced(
    sqlite_record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    say(sqlite_record, "good", keep(sqlite_record, encoded(90)))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    with pytest.raises(ConfigurationError, match="name a folder in it"):
        export_folders(sqlite_record, Filters(), Path(folder))


def test_nothing_is_written_where_nothing_can_be(sqlite_record: Record, tmp_path: Path) -> None:
    with pytest.raises(InspectionNotFoundError, match="no such inspection is judged"):
        export_folders(sqlite_record, Filters(), tmp_path / "out")
    number = keep(sqlite_record, encoded(90))
    say(sqlite_record, "good", number, keep(sqlite_record, encoded(91), model="nut"))
    with pytest.raises(InvalidParameterError, match=r"several models \(bolt, nut\)"):
        export_folders(sqlite_record, Filters(), tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/other.png").touch()
    with pytest.raises(ConfigurationError, match="name another folder"):
        export_folders(sqlite_record, Filters(model="bolt"), tmp_path / "full")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        export_folders(sqlite_record, Filters(model="bolt"), tmp_path / "file/out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "file", "full"]
    (tmp_path / "empty").mkdir()
    assert export_folders(sqlite_record, Filters(model="bolt"), tmp_path / "empty").good == 1


def test_a_recent_picture_that_somebody_judged_is_among_them(
    record: Record, tmp_path: Path
) -> None:
    missed, passed = (keep(record, encoded(level), kept="recent") for level in (90, 91))
    say(record, "defect", missed)
    found = export_folders(record, Filters(), tmp_path / "out")
    assert (found.good, found.defects) == (0, 1)
    assert passed
