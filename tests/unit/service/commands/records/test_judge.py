"""`takt records judge`, `review`, and `export --folder`."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from takt.cli import main
from takt.core.domain import Box
from takt.recording.pictures import PictureKey, sha256_of
from takt.recording.record import Record
from takt.recording.review.history import history
from tests.recorded import NOON_US, insert_inspections

Run = Callable[..., Result]

REJECT: dict[str, Any] = {"anomalous": True, "score": 0.75, "kept": "reject"}


@pytest.fixture
def run(sqlite_record: Record, tmp_path: Path) -> Run:
    """Runs `takt records` on the record; each test has one."""

    def invoke(*arguments: object) -> Result:
        given = ("records", *arguments, "--data-folder", tmp_path / "data", "--record", "sqlite")
        return CliRunner().invoke(main, [*map(str, given)])

    return invoke


def test_inspections_are_judged_by_the_name_of_the_login(run: Run, sqlite_record: Record) -> None:
    ids = insert_inspections(sqlite_record, [REJECT] * 2)
    result = run("judge", *ids, "--as", "defect", "--kind", "scratch", "--note", "left edge")
    assert result.output == f"2 judged defect by {getpass.getuser()}\n"
    (said,) = history(sqlite_record.database, ids[1]).said
    assert (said.judgement, said.kind, said.note) == ("defect", "scratch", "left edge")
    assert said.box is None
    again = run("judge", ids[0], "--as", "good", "--by", "ann")
    assert again.output == "1 judged good by ann\n"
    back = run("judge", ids[0], "--withdraw", "--by", "ann")
    assert back.output == "1 judgement taken back by ann\n"
    assert len(history(sqlite_record.database, ids[0]).standing) == 1


@pytest.mark.parametrize("name", ["server", "file", "oidc:ann", "key:server"])
def test_nobody_judges_by_a_name_of_the_servers_own(
    run: Run, sqlite_record: Record, name: str
) -> None:
    (one,) = insert_inspections(sqlite_record, [REJECT])
    result = run("judge", one, "--as", "defect", "--by", name)
    assert (result.exit_code, "give another name" in result.output) == (1, True)
    assert not history(sqlite_record.database, one).said


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("1",), 2, "say --as defect, good or unsure; or --withdraw"),
        (("1", "--as", "good", "--withdraw"), 2, "say --as"),
        (("1", "--withdraw", "--kind", "dent"), 2, "--kind, --note and --box go with --as"),
        (("1", "--withdraw", "--box", "1,2,3,4"), 2, "--box go with --as"),
        (("1", "--as", "defect", "--box", "1,2,3"), 2, "'1,2,3' is no X,Y,WIDTH,HEIGHT"),
        (("1", "--as", "defect", "--box", "1,2,3,x"), 2, "write four whole numbers"),
        (("1", "--as", "defect", "--box", "60,0,5,1"), 1, "which has 64 x 48 pixels upright"),
        (("7", "--as", "good"), 1, "no inspection 7; nothing was changed"),
        (("0", "--as", "good"), 2, "0 is not in the range"),
        (("1", "--as", "good", "--kind", "dent"), 1, "a good part has no kind of defect"),
    ],
)
def test_what_cannot_be_judged_is_said(
    run: Run, sqlite_record: Record, arguments: tuple[str, ...], code: int, says: str
) -> None:
    insert_inspections(sqlite_record, [{}])
    result = run("judge", *arguments)
    assert result.exit_code == code
    assert says in result.output


def test_a_judgement_says_where_the_defect_is(run: Run, sqlite_record: Record) -> None:
    (number,) = insert_inspections(sqlite_record, [REJECT])
    options = ("--as", "defect", "--kind", "dent", "--note", "é", "--by", "ann")
    result = run("judge", number, *options, "--box", "3,4,10,20")
    assert result.output == "1 judged defect by ann\n"
    (said,) = history(sqlite_record.database, number).said
    assert said.box == Box(3, 4, 10, 20)
    run("judge", number, "--as", "unsure", "--by", "bob")
    last = run("show", number).output.splitlines()[-2:]
    assert [line.split()[0] for line in last] == ["said", "said"]
    assert last[0].endswith("  ann  defect  dent  box 3,4,10,20  é")
    assert last[1].endswith("  bob  unsure")


def test_figures_and_a_threshold_are_shown(run: Run, sqlite_record: Record) -> None:
    good: list[dict[str, Any]] = [
        {"score": number / 100, "kept": "sample", "judgement": "good"} for number in range(19)
    ]
    rejects = [REJECT | {"judgement": "defect"}] * 4 + [REJECT | {"judgement": "good"}]
    tomorrow = [{"at_us": 1_772_366_400_000_000 + 86_400_000_000}]
    insert_inspections(sqlite_record, good + rejects + tomorrow)
    result = run("review", "--model", "bolt", "--version", "1", "--alpha", "0.1")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "25 inspections, 5 rejected"
    assert [line.split() for line in lines[3:5]] == [["rejected", "4", "1"], ["passed", "0", "19"]]
    assert any("false alarms" in line and "20 % (0.505 to 71.6)" in line for line in lines)
    assert any(line.startswith("2026-03-02 00:00") for line in lines)
    assert any("threshold 0.18 proposed for bolt, version 1" in line for line in lines)
    assert any("PUT /v1/models/bolt/versions/1/threshold" in line for line in lines)


def test_without_enough_judgements_the_reason_is_shown(run: Run, sqlite_record: Record) -> None:
    insert_inspections(sqlite_record, [REJECT])
    result = run("review", "--model", "bolt", "--version", "1")
    assert result.exit_code == 0
    assert "no threshold is proposed: judged of bolt, version 1: 0 good" in result.output
    assert "rejects kept as rejects: none of 1 is judged" in result.output
    assert "false alarms: rejects that are good" in result.output
    assert "? (0 to 100)" in result.output
    assert "name one version" in run("review").output
    assert run("review", "--model", "nut").output.startswith("0 inspections, 0 rejected\n")


def test_judged_pictures_are_exported_as_folders(
    run: Run, sqlite_record: Record, tmp_path: Path, picture_bytes: Callable[..., bytes]
) -> None:
    picture = picture_bytes()
    key = PictureKey(NOON_US, sha256_of(picture), "png")
    sqlite_record.pictures.write(key, picture)
    kept = {"sha256": bytes.fromhex(key.sha256), "input_format": "png", "picture": True}
    good, _ = insert_inspections(sqlite_record, [kept, {}])
    folder = tmp_path / "judged"
    assert "no such inspection is judged" in run("export", "--folder", folder).output
    run("judge", good, good + 1, "--as", "good")
    result = run("export", "--folder", folder, "--model", "bolt")
    assert result.output.splitlines() == [
        "1 good, 0 defective",
        "left out: 1 whose pictures are not kept (any more)",
    ]
    assert (folder / f"good/inspection-{good}.png").read_bytes() == picture
    assert "name a FILE, or a --folder" in run("export").output
    assert "name a FILE, or a --folder" in run("export", "a.csv", "--folder", folder).output
    assert (
        "--format goes with a FILE" in run("export", "--folder", folder, "--format", "csv").output
    )
