"""`takt replay`, as a terminal shows it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import update

from takt.commands.replay.command import replay_command
from takt.core.bundles.bundle import MODEL, Bundle
from takt.mirroring.location import mirror_folder
from takt.recording.record import Record
from takt.recording.tables import inspections
from takt.settings import Settings
from tests.commands import refused, run
from tests.replays import record_pictures

Takt = Callable[..., Result]


@pytest.fixture
def takt(
    bundle: Bundle,
    repository: Path,
    sqlite_record: Record,
    picture_bytes: Callable[..., bytes],
    tmp_path: Path,
) -> Takt:
    """Runs `takt replay` on a record of a reject and a good part."""
    settings = Settings(repository=repository, engine_threads=1, keep="sample=1")
    pictures = [picture_bytes(50, spot=200), picture_bytes(60)]
    asyncio.run(record_pictures(settings, sqlite_record, pictures))

    def invoke(*arguments: object) -> Result:
        where = ("--repository", repository, "--data-folder", tmp_path / "data")
        return run(replay_command, *arguments, *where, "--record", "sqlite")

    return invoke


def test_answers_that_are_the_same_end_with_zero(takt: Takt) -> None:
    result = takt(1, 2, 1)
    assert result.exit_code == 0, result.output
    about, title, reject, good, end = result.output.splitlines()
    assert about.startswith("parts 1, bundle ") and "as recorded" in about
    assert title.split()[0] == "ID"
    assert reject.split()[3:] == ["0", "REJECT", "1", "same"]
    assert good.split()[3:] == ["0", "pass", "0", "same"]
    assert end == "2 replayed, 0 differ; largest difference of a score: 0"


def test_filters_choose_among_all(takt: Takt) -> None:
    result = takt("--all", "--verdict", "reject", "--json")
    assert result.exit_code == 0, result.output
    (line,) = result.output.splitlines()
    body = json.loads(line)
    assert (body["id"], body["reproduced"]) == (1, True)
    assert body["tolerance"]["rule"] == "same_engine"
    assert takt("--all", "--limit", 1).output.splitlines()[-1].startswith("1 replayed")
    assert "no such inspection" in refused(takt("--all", "--lot", "L7"))


def test_what_retention_has_removed_is_passed_over(takt: Takt, sqlite_record: Record) -> None:
    with sqlite_record.database.writing() as connection:
        gone = update(inspections).where(inspections.c.id == 2).values(picture=False)
        connection.execute(gone)
    assert takt("--all").output.splitlines()[-1].startswith("1 replayed, 0 differ")
    by_name = takt(2)
    assert by_name.exit_code == 1
    assert "not replayed: " in by_name.output


def test_an_answer_that_differs_ends_with_one(takt: Takt, sqlite_record: Record) -> None:
    with sqlite_record.database.writing() as connection:
        connection.execute(update(inspections).where(inspections.c.id == 2).values(score=0.75))
    result = takt("--all")
    assert result.exit_code == 1
    assert "DIFFERS: score" in result.output
    assert "2 replayed, 1 differ" in result.output


def test_another_engine_is_named_with_its_bounds(takt: Takt) -> None:
    result = takt(1, "--engine", "openvino")
    assert result.exit_code == 0, result.output
    assert "not on the recorded engine: engine was onnxruntime" in result.output
    assert "0.002 in score" in result.output


def test_a_bundle_with_one_flipped_bit_ends_with_one(takt: Takt, bundle: Bundle) -> None:
    data = bytearray((bundle.path / MODEL).read_bytes())
    data[len(data) // 3] ^= 0x10
    (bundle.path / MODEL).write_bytes(data)
    result = takt("--all")
    assert result.exit_code == 1
    assert result.output.count("not replayed:") == 2
    assert "0 replayed, 0 differ, 2 could not be replayed" in result.output
    (line, _) = takt("--all", "--json").output.strip().splitlines()[-2:]
    assert MODEL in json.loads(line)["error"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "name inspections by their numbers, or give --all"),
        ((1, "--all"), "name inspections by their numbers, or give --all"),
        ((1, "--lot", "L7"), "filters go with --all"),
    ],
)
def test_what_is_to_be_replayed_is_said_in_one_way(
    arguments: tuple[object, ...], says: str
) -> None:
    result = run(replay_command, *arguments)
    assert result.exit_code == 2
    assert says in result.output


def test_an_unknown_inspection_is_refused(takt: Takt) -> None:
    assert "no inspection 77" in refused(takt(77))


def test_where_bundles_come_from_a_url_their_copy_is_read(
    takt: Takt, repository: Path, tmp_path: Path
) -> None:
    url, data = "s3://bundles/line-3", tmp_path / "data"
    mirror = mirror_folder(data, url)
    mirror.parent.mkdir()
    repository.rename(mirror)

    where = ("--repository", url, "--data-folder", data, "--record", "sqlite")
    assert run(replay_command, 1, *where).exit_code == 0
