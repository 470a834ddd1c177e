"""`takt records alarms`."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from takt.cli import main
from takt.core.bundles.bundle import Bundle, load_bundle
from takt.core.bundles.writing import replace_calibration
from takt.core.pictures.facts import BLOCKS, FACT_NAMES, Look
from takt.core.pictures.good_facts import GoodFacts
from takt.core.pictures.pose import SIDE
from takt.recording.record import Record
from takt.recording.watch.alarms import acknowledge
from takt.recording.watch.known import KnownBundle
from takt.recording.watch.watcher import RecordWatcher
from tests import recorded
from tests.recorded import NOON_US, insert_inspections

BRIGHTNESS = FACT_NAMES.index("brightness")


def facts(count: int, seed: int, brightness: float = 0.0) -> NDArray[np.float32]:
    table = np.random.default_rng(seed).normal(size=(count, len(FACT_NAMES))).astype(np.float32)
    table[:, BRIGHTNESS] += brightness
    return table


def run(record: Record, *arguments: str) -> Result:
    options = ("--data-folder", str(record.folder), "--record", "sqlite")
    return CliRunner().invoke(main, ["records", "alarms", *arguments, *options])


@pytest.fixture
def watched(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """A bundle with facts of good pictures, of which the record's rows are."""
    look = Look(np.zeros((SIDE, SIDE), np.float32), np.ones((BLOCKS, BLOCKS), np.float32))
    calibration = GoodFacts(facts(200, 0), look).put_into(bundle.calibration)
    replace_calibration(bundle, calibration, bundle.manifest.thresholds, 0.1)
    found = load_bundle(bundle.path)
    monkeypatch.setitem(recorded.SOURCE, "digest", found.digest)
    return found


@pytest.fixture
def dimmed(watched: Bundle, sqlite_record: Record) -> Record:
    """A record in which a lamp has faded, and was watched."""
    known = KnownBundle.of(watched)
    watcher = RecordWatcher(sqlite_record.database, lambda *bundle: known)
    watcher.turn()
    for seed, brightness in ((1, 0.0), (2, -4.0)):
        rows = [
            {"model": "parts", "station": "left", "facts": one.tobytes(), "at_us": NOON_US + at}
            for at, one in enumerate(facts(100, seed, brightness))
        ]
        insert_inspections(sqlite_record, rows)
        watcher.turn()
    return sqlite_record


def test_it_says_what_has_changed_since_when(dimmed: Record) -> None:
    said = run(dimmed)
    assert said.exit_code == 0, said.output
    assert "parts 1 at left: camera or light have changed since inspection 10" in said.output
    assert re.search(r"brightness -[34]\.\d+ instead of 0\.00", said.output), said.output
    assert "; stands" in said.output


def test_json_has_all_of_it(dimmed: Record) -> None:
    acknowledge(dimmed.database, 1, who="ann", note="lamp", client=None)
    (line,) = run(dimmed, "--json").output.splitlines()
    alarm = json.loads(line)
    assert (alarm["cause"], alarm["acknowledged_by"]) == ("camera", "ann")
    assert alarm["moved"][0]["fact"] == "brightness"


def test_a_replay_finds_the_same(dimmed: Record, repository: Path) -> None:
    acknowledge(dimmed.database, 1, who="ann", note="lamp", client=None)
    said = run(dimmed, "--replay", "--repository", str(repository))
    assert said.exit_code == 0, said.output
    assert "200 pictures were gone through anew" in said.output
    assert "camera or light have changed" in said.output


def test_a_replay_without_the_version_says_so_and_fails(
    dimmed: Record, watched: Bundle, repository: Path
) -> None:
    other = replace(watched.calibration, facts=watched.calibration.facts + 1)
    replace_calibration(watched, other, watched.manifest.thresholds, 0.1)
    said = run(dimmed, "--replay", "--repository", str(repository))
    assert said.exit_code == 1
    assert "version 1 of parts is not there any more" in said.output
    assert "the record has 1 alarms, and 0 are found now" in said.output


def test_without_alarms_nothing_is_said(sqlite_record: Record) -> None:
    sqlite_record.database.prepare()
    said = run(sqlite_record)
    assert (said.exit_code, said.output) == (0, "")


def test_a_list_needs_no_repository(dimmed: Record, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAKT_REPOSITORY", "s3://plant/bundles")
    said = run(dimmed)
    assert said.exit_code == 0, said.output
    assert "camera or light have changed" in said.output


def test_a_replay_looks_where_a_server_has_its_bundles(
    dimmed: Record, repository: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.delenv("TAKT_REPOSITORY", raising=False)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "bundles").symlink_to(repository)
    monkeypatch.chdir(folder)
    said = run(dimmed, "--replay")
    assert said.exit_code == 0, said.output
