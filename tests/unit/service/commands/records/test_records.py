"""`takt records`, as a terminal shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from takt.commands.records import command as listing
from takt.commands.records.command import records
from takt.core.domain import RawPicture
from takt.core.errors import RecordError
from takt.recording.pictures import PictureKey, png_of, sha256_of
from takt.recording.record import Record
from tests.commands import refused, run
from tests.recorded import NOON_US, insert_inspections

Takt = Callable[..., Result]


@pytest.fixture
def takt(sqlite_record: Record, monkeypatch: pytest.MonkeyPatch) -> Takt:
    """Runs `takt records` on a record."""
    monkeypatch.setenv("TAKT_RECORD", "sqlite")
    monkeypatch.setenv("TAKT_DATA_FOLDER", str(sqlite_record.pictures.folder.parent))
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    sqlite_record.database.prepare()
    return lambda *arguments: run(records, *arguments)


def test_the_newest_are_listed_with_the_newest_last(takt: Takt, sqlite_record: Record) -> None:
    insert_inspections(
        sqlite_record,
        [
            {"at_us": NOON_US, "station": "north", "lot": "L1", "part": "P1"},
            {"at_us": NOON_US + 1, "anomalous": True, "score": 0.75, "judgement": "defect"},
        ],
    )
    title, older, newer = takt().output.splitlines()
    assert title.split()[:4] == ["ID", "TIME", "MODEL", "VERDICT"]
    assert "pass" in older and older.split()[-5:] == ["north", "L1", "P1", "-", "-"]
    assert "REJECT" in newer and "0.75" in newer and "defect" in newer
    assert title.index("STATION") == older.index("north")


def test_filters_and_the_limit_choose(takt: Takt, sqlite_record: Record) -> None:
    ids = insert_inspections(
        sqlite_record,
        [{"at_us": NOON_US + number, "anomalous": number % 2 == 1} for number in range(6)],
    )
    lines = takt("--verdict", "reject", "--limit", 2, "--json").output.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [ids[3], ids[5]]


def test_nothing_found_is_said(takt: Takt) -> None:
    result = takt("--since", "-1h")
    assert result.exit_code == 0 and result.output == "the record has no such inspections\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--version", "1"), "name the model, too"),
        (("--since", "noon"), "no point in time"),
        (("--follow", "--open"), "do not go together"),
        (("--limit", "0"), "goes with --follow"),
        (("--after", "1", "--open"), "do not go together"),
        (("--after", "1", "--follow", "--limit", "1"), "do not go together"),
        (("--station", "north", "show", "1"), "write it after show"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    takt: Takt, arguments: tuple[str, ...], said: str
) -> None:
    result = takt(*arguments)
    assert result.exit_code == 2 and said in result.output


def test_new_ones_follow_as_they_come(
    takt: Takt, sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert_inspections(sqlite_record, [{"request_id": "old", "station": "north"}])
    coming: list[list[dict[str, Any]]] = [
        [{"at_us": NOON_US - 5, "station": "north", "part": "late"}, {"part": "elsewhere"}],
        [],
        [{"station": "north", "part": "last"}],
    ]

    def wait(_: float) -> None:
        if not coming:
            raise KeyboardInterrupt
        insert_inspections(sqlite_record, coming.pop(0))

    monkeypatch.setattr(listing.time, "sleep", wait)
    result = takt("--station", "north", "--follow")
    assert result.exit_code == 0
    assert [line.split()[-3] for line in result.output.splitlines()[1:]] == ["-", "late", "last"]


def ids_of(result: Result) -> list[int]:
    assert result.exit_code == 0
    return [json.loads(line)["id"] for line in result.output.splitlines()]


def test_what_came_after_a_number_is_listed_the_lowest_first(
    takt: Takt, sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_MOST", 2)
    ids = insert_inspections(sqlite_record, [{"at_us": NOON_US - number} for number in range(5)])
    assert ids_of(takt("--json", "--after", 0)) == ids
    assert ids_of(takt("--json", "--after", ids[1], "--limit", 2)) == ids[2:4]
    assert ids_of(takt("--json", "--after", ids[4])) == []
    assert "is of another record" in refused(takt("--json", "--after", ids[4] + 1))


@pytest.mark.parametrize("ran", ["--limit 0", "--after 2"])
def test_a_run_that_follows_goes_on_where_another_one_ended(
    takt: Takt, sqlite_record: Record, monkeypatch: pytest.MonkeyPatch, ran: str
) -> None:
    insert_inspections(sqlite_record, [{}] * 2)
    coming = [[{}] * 3, [{}]]

    def wait(_: float) -> None:
        if not coming:
            raise KeyboardInterrupt
        insert_inspections(sqlite_record, coming.pop(0))

    monkeypatch.setattr(listing.time, "sleep", wait)
    assert ids_of(takt("--follow", "--json", *ran.split())) == [3, 4, 5, 6]


def test_a_score_and_its_threshold_look_different_where_they_are(
    takt: Takt, sqlite_record: Record
) -> None:
    insert_inspections(sqlite_record, [{"score": 1.08004, "threshold": 1.08001, "anomalous": True}])
    assert re.search(r"REJECT +1\.08004 +1\.08001", takt().output)


def test_what_a_caller_sent_does_not_steer_the_terminal(takt: Takt, sqlite_record: Record) -> None:
    (number,) = insert_inspections(sqlite_record, [{"part": "\x1b[31mred\x07"}])
    assert "?[31mred?" in takt().output and "\x1b" not in takt("show", number).output


def keep_picture(record: Record, **row: object) -> tuple[int, Path]:
    picture = RawPicture(bytes(12), width=4, height=3, format="mono8")
    key = PictureKey(NOON_US, sha256_of(picture), "mono8")
    record.pictures.write(key, picture)
    kept = {
        "kept": "reject",
        "picture": True,
        "sha256": bytes.fromhex(key.sha256),
        "input_format": "mono8",
    }
    (number,) = insert_inspections(record, [kept | row])
    return number, record.pictures.folder / key.path


def test_without_a_screen_opening_says_where_the_picture_is(
    takt: Takt, sqlite_record: Record
) -> None:
    number, path = keep_picture(sqlite_record)
    insert_inspections(sqlite_record, [{"at_us": NOON_US + 1}])
    assert takt("--open").output.splitlines()[-1] == str(path)
    assert takt("show", number, "--open").output.splitlines()[-1] == str(path)


def test_a_screen_gets_the_picture(
    takt: Takt, sqlite_record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("click.launch", lambda path: opened.append(path) or 0)
    _, path = keep_picture(sqlite_record)
    assert takt("--open").exit_code == 0
    assert opened == [str(path)]


def test_a_picture_that_is_not_there_is_said(takt: Takt, sqlite_record: Record) -> None:
    (number,) = insert_inspections(sqlite_record, [{}])
    assert "is not kept" in refused(takt("show", number, "--open"))
    assert "--kept any" in refused(takt("--open"))
    number, path = keep_picture(sqlite_record)
    path.unlink()
    assert "not in" in refused(takt("show", number, "--open"))


def test_one_inspection_is_shown_whole(takt: Takt, sqlite_record: Record) -> None:
    (number,) = insert_inspections(sqlite_record, [{"tags": '{"shift":"early"}'}])
    lines = dict(line.split(maxsplit=1) for line in takt("show", number).output.splitlines())
    assert lines["at"] == "2026-03-01T12:00:00.000000Z"
    assert lines["total_ms"] == "9 ms" and lines["station"] == "-"
    assert lines["tags"] == '{"shift":"early"}' and lines["anomalous"] == "no"
    assert json.loads(takt("show", number, "--json").output)["tags"] == {"shift": "early"}


def test_an_inspection_that_is_not_there_is_one_line(takt: Takt) -> None:
    assert "no inspection 7" in refused(takt("show", 7))


def digest(picture: bytes | RawPicture) -> bytes:
    return bytes.fromhex(sha256_of(picture))


def test_a_picture_that_comes_back_is_found_whether_or_not_it_was_kept(
    takt: Takt, sqlite_record: Record, tmp_path: Path
) -> None:
    file, frame = tmp_path / "complaint.jpg", tmp_path / "frame.png"
    file.write_bytes(b"a picture")
    raw = RawPicture(bytes(range(36)), 4, 3, "bgr8")
    frame.write_bytes(png_of(raw))
    first, _, kept, framed = insert_inspections(
        sqlite_record,
        [
            {"sha256": digest(b"a picture"), "part": "P1"},
            {"sha256": digest(b"another"), "part": "P2"},
            {"at_us": NOON_US + 1, "sha256": digest(b"a picture"), "kept": "near", "picture": True},
            {"sha256": digest(raw)},
        ],
    )
    result = takt("match", file, frame)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert [line.split()[0] for line in lines] == [
        *(f"{file}:", "ID", str(first), str(kept)),
        *(f"{frame}:", "ID", str(framed)),
    ]
    (only,) = takt("match", file, "--part", "P1", "--json").output.splitlines()
    assert (json.loads(only)["id"], json.loads(only)["file"]) == (first, str(file))
    listed = takt("--sha256", digest(b"a picture").hex().upper(), "--json").output.splitlines()
    assert [json.loads(line)["id"] for line in listed] == [first, kept]


def test_a_picture_that_is_not_in_the_record_says_what_to_do(
    takt: Takt, sqlite_record: Record, tmp_path: Path
) -> None:
    file = tmp_path / "new.png"
    file.write_bytes(b"\x89PNG and no more")
    insert_inspections(sqlite_record, [{"sha256": digest(file.read_bytes()), "part": "P1"}, {}])
    assert takt("match", file).exit_code == 0
    other = takt("match", file, "--part", "P2")
    assert other.exit_code == 1
    assert "no inspection of this file that these filters want" in other.output
    file.write_bytes(b"")
    said = takt("match", file)
    assert said.exit_code == 1
    assert "no inspection of this file\n" in said.output
    assert "--station NAME --since TIME" in said.output
    assert "judge it as a new one" in said.output
    assert "here the files say it" in takt("match", file, "--sha256", "0a" * 32).output


def test_a_folder_without_a_record_is_one_line(tmp_path: Path) -> None:
    said = refused(run(records, "--data-folder", tmp_path / "none", "--record", "sqlite"))
    assert "--data-folder" in said


def test_an_export_takes_its_format_from_the_file_s_name(
    takt: Takt, sqlite_record: Record, tmp_path: Path
) -> None:
    insert_inspections(sqlite_record, [{"part": "P1"}, {"part": "P2"}])
    file = tmp_path / "found.jsonl"
    result = takt("export", file, "--part", "P2")
    assert result.exit_code == 0 and "bytes" in result.output
    assert [json.loads(line)["part"] for line in file.read_text().splitlines()] == ["P2"]
    assert [path.name for path in tmp_path.glob("*found*")] == ["found.jsonl"]


def test_an_export_to_the_standard_output_is_nothing_else(
    takt: Takt, sqlite_record: Record
) -> None:
    insert_inspections(sqlite_record, [{}])
    assert takt("export", "-", "--format", "csv").output.count("\n") == 2


def test_an_export_of_no_known_format_is_refused(takt: Takt, tmp_path: Path) -> None:
    result = takt("export", tmp_path / "found.txt")
    assert result.exit_code == 2 and "--format" in result.output


def test_an_export_that_fails_leaves_no_file(
    takt: Takt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise RecordError("the disk is gone")

    monkeypatch.setattr("takt.recording.search.exports.export.Export.part", fail)
    assert "the disk is gone" in refused(takt("export", tmp_path / "found.csv"))
    assert not list(tmp_path.glob("*found*"))
    assert "cannot be written" in refused(takt("export", tmp_path / "no" / "found.csv"))
