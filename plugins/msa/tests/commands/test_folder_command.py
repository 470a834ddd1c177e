from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from takt.core.bundles.bundle import Bundle
from takt_msa.commands.command import msa
from tests.commands import refused, run

EXAMPLES = Path(__file__).parents[4] / "examples"


@pytest.fixture
def study(tmp_path: Path, picture_bytes: Callable[..., bytes]) -> Path:
    """For the model that answers brightness, above 127 a rejection: one good part flips."""
    placements = {
        "good/a": (40, 42, 44),
        "good/b": (100, 120, 140),
        "defect/c": (200, 210, 220),
        "defect/d": (250, 251, 252),
    }
    for part, levels in placements.items():
        folder = tmp_path / "study" / part
        folder.mkdir(parents=True)
        for number, level in enumerate(levels):
            (folder / f"{number}.png").write_bytes(picture_bytes(level))
    return tmp_path / "study"


def test_the_command_is_listed_without_importing_what_it_needs() -> None:
    code = (
        "import sys; import takt_msa.commands.command; "
        "heavy = {'torch', 'scipy', 'cv2', 'jinja2', 'numpy', 'sqlalchemy'}; "
        "print(sorted(heavy & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"


def test_the_placements_of_a_folder_are_judged_and_analysed(
    bundle: Bundle, study: Path, tmp_path: Path
) -> None:
    out, page = tmp_path / "msa.json", tmp_path / "msa.html"

    result = run(
        *(msa, "folder", bundle.path, study, "--json", out, "--report", page),
        *("--threads", 1, "-q"),
    )

    assert result.exit_code == 0, result.output
    (figures,) = json.loads(out.read_text())["appraisers"]
    assert figures["appraiser"] == "parts, version 1"
    assert figures["effectiveness"]["value"] == 0.75
    assert figures["miss_rate"]["value"] == 0
    assert (figures["false_alarm_rate"]["count"], figures["false_alarm_rate"]["of"]) == (1, 6)
    assert "parts that flip     1: b" in result.output
    assert "<title>parts, version 1: measurement system analysis</title>" in page.read_text()


def test_the_verdicts_are_by_the_threshold_that_was_set_at_the_line(
    bundle: Bundle, study: Path, tmp_path: Path
) -> None:
    entry = {"value": 0.6, "reason": "new lamp", "set_at": "2026-01-01T00:00:00+00:00"}
    (bundle.path / "thresholds.json").write_text(json.dumps({"image": entry, "pixel": entry}))
    out = tmp_path / "msa.json"

    result = run(msa, "folder", bundle.path, study, "--json", out, "--threads", 1, "-q")

    assert result.exit_code == 0, result.output
    found = json.loads(out.read_text())
    assert found["scores"]["threshold"] == 0.6
    assert found["appraisers"][0]["effectiveness"]["value"] == 1
    assert "set at the line" in found["facts"]["threshold"]


def test_a_repeated_file_is_told_and_counted_once(bundle: Bundle, study: Path) -> None:
    (study / "good" / "a" / "copy.png").write_bytes((study / "good" / "a" / "0.png").read_bytes())

    result = run(msa, "folder", bundle.path, study, "--threads", 1, "-q")

    assert "2 good and 2 defective parts, 12 trials" in result.output
    assert "repeating a file is not repeating a placement: good/a/copy.png (as 0.png)" in (
        result.output
    )


def test_one_trial_of_each_part_is_refused(bundle: Bundle, study: Path) -> None:
    for path in [*study.rglob("1.png"), *study.rglob("2.png")]:
        path.unlink()

    message = refused(run(msa, "folder", bundle.path, study, "--threads", 1, "-q"))

    assert "each of the 4 parts has one trial only" in message


def test_a_folder_without_defects_is_refused(bundle: Bundle, study: Path) -> None:
    (study / "defect").rename(study.parent / "elsewhere")

    message = refused(run(msa, "folder", bundle.path, study, "--threads", 1, "-q"))

    assert "needs good and defective reference parts" in message


def test_a_report_that_cannot_be_written_is_refused_before_the_work(
    bundle: Bundle, study: Path, tmp_path: Path
) -> None:
    message = refused(
        run(msa, "folder", bundle.path, study, "--report", tmp_path / "none" / "msa.html")
    )

    assert "there is no folder" in message


def test_a_shipped_bundle_is_studied_on_shipped_pictures_in_a_little_other_light(
    tmp_path: Path,
) -> None:
    """Made-up placements: the same pictures, one as it is and one brighter."""
    for label, folder in (("good", "good"), ("defect", "pitting")):
        for path in sorted((EXAMPLES / "pictures" / folder).glob("*.jpg"))[:2]:
            part = tmp_path / "study" / label / path.stem
            part.mkdir(parents=True)
            picture = cv2.imread(str(path))
            cv2.imwrite(str(part / "1.png"), picture)
            brighter = np.clip(picture.astype(np.int16) + 2, 0, 255).astype(np.uint8)
            cv2.imwrite(str(part / "2.png"), brighter)
    out = tmp_path / "msa.json"

    result = run(
        *(msa, "folder", EXAMPLES / "bank" / "pitting" / "1", tmp_path / "study"),
        *("--json", out, "--threads", 1, "-q"),
    )

    assert result.exit_code == 0, result.output
    found = json.loads(out.read_text())
    assert found["title"] == "pitting, version 1"
    assert found["trials"] == 8
    assert [note["grave"] for note in found["notes"]] == [False], "copies of each part look alike"
    assert found["scores"]["good"]["deviation"] < found["scores"]["threshold"] / 20
