import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from takt.core.bundles.bundle import load_bundle
from takt.core.bundles.taught import JUDGEMENTS
from takt.core.bundles.thresholds import ThresholdPair
from takt.repository.activation import Activation, keep_activation, read_activation
from takt_export.learning.teaching.request import TaughtModel
from takt_export.learning.teaching.teach import why_left_out
from takt_export.learning.teaching.verdicts import TurnedVerdicts, Verdicts
from takt_models.checkpoints.formats import load_checkpoint
from tests.conftest import MakeBundle
from tests.unit.export.learning.teaching.conftest import Run


@pytest.mark.slow
def test_a_taught_version_waits_says_what_it_finds_and_keeps_the_judgements(
    run: Run, write_pictures: Any, judged: Path, tmp_path: Path, repository: Path
) -> None:
    write_pictures(tmp_path / "good", 25)
    assert run(tmp_path / "good", "--model", "parts", "--alpha", "0.05").exit_code == 0
    result = run("--update", "parts", "--teach", judged, "--progress", "json")
    assert result.exit_code == 0, result.output
    last = [json.loads(line) for line in result.output.splitlines() if line.startswith("{")][-1]
    taught = last["taught"]
    assert (taught["defects"], taught["good"], taught["passed"]) == (8, 2, 3)
    assert taught["found_after"] >= taught["found_before"]
    assert taught["kinds"] == {"": 8}
    assert any("each by what has not seen it" in line for line in last["compared"])
    kept = read_activation(repository / "parts")
    assert kept is not None and kept.active == "1"
    one, two = (load_bundle(repository / "parts" / version) for version in "12")
    record = two.manifest.taught
    assert record is not None and (record.base, record.defects) == ("1", 8)
    assert one.manifest.taught is None
    lines = [json.loads(line) for line in (two.path / JUDGEMENTS).read_text().splitlines()]
    assert {line["sha256"] for line in lines} == {
        hashlib.sha256(path.read_bytes()).hexdigest()
        for word in ("good", "defect")
        for path in (judged / word).iterdir()
    }
    # The thresholds of the bundle are those that the teaching found.
    checkpoint = load_checkpoint((two.path / "checkpoint.safetensors",))
    assert checkpoint.good_cells is not None and checkpoint.good_cells.head is not None
    assert two.manifest.thresholds.good_count == len(checkpoint.good_cells.parts)


@pytest.mark.slow
def test_what_was_taught_goes_on_when_the_bank_grows_and_is_forgotten_when_taught_anew(
    run: Run, write_pictures: Any, judged: Path, tmp_path: Path, repository: Path
) -> None:
    write_pictures(tmp_path / "good", 25)
    write_pictures(tmp_path / "more", 5, seed=60)
    assert run(tmp_path / "good", "--model", "parts", "--alpha", "0.05").exit_code == 0
    assert run("--update", "parts", "--teach", judged).exit_code == 0
    keep_activation(repository / "parts", Activation.now("2", "1", None))
    known = ("--defects", judged / "defect")
    grown = run("--update", "parts", "--good", tmp_path / "more", *known)
    assert grown.exit_code == 0, grown.output
    assert "8 of 8 defects taught the version" in " ".join(grown.output.split())
    two, three = (load_bundle(repository / "parts" / version) for version in "23")
    assert three.manifest.taught == two.manifest.taught is not None
    assert (three.path / JUDGEMENTS).read_bytes() == (two.path / JUDGEMENTS).read_bytes()
    assert not three.calibration.defect_score.size

    def directions(version: str) -> int:
        path = repository / "parts" / version / "checkpoint.safetensors"
        found: int = load_checkpoint((path,)).model.config.directions  # type: ignore[attr-defined]
        return found

    assert (directions("2"), directions("3")) == (8, 8)
    for path in sorted((judged / "defect").iterdir())[3:]:
        path.unlink()
    keep_activation(repository / "parts", Activation.now("3", "2", None))
    again = run("--update", "parts", "--teach", judged)
    assert again.exit_code == 0, again.output
    assert directions("4") == 3


@pytest.mark.slow
def test_a_head_that_has_nothing_to_find_is_left_out_and_one_that_is_there_goes(
    run: Run, write_pictures: Any, judged: Path, tmp_path: Path, repository: Path
) -> None:
    write_pictures(tmp_path / "good", 25)
    for path in write_pictures(tmp_path / "plain" / "defect", 4, seed=70):
        cv2.imwrite(str(path), np.full((60, 80, 3), int(path.stem), np.uint8))
    assert run(tmp_path / "good", "--model", "parts", "--alpha", "0.05").exit_code == 0
    refused = run("--update", "parts", "--teach", tmp_path / "plain")
    said = " ".join(refused.output.split())
    assert refused.exit_code == 1
    assert "the bank alone finds all 4 judged defects at its own threshold" in said
    assert "No version was made, and version 1 stays as it is" in said
    assert [path.name for path in sorted((repository / "parts").glob("[0-9]*"))] == ["1"]
    assert run("--update", "parts", "--teach", judged).exit_code == 0
    keep_activation(repository / "parts", Activation.now("2", "1", None))
    result = run("--update", "parts", "--teach", tmp_path / "plain", "--progress", "json")
    last = [json.loads(line) for line in result.output.splitlines() if line.startswith("{")][-1]
    assert result.exit_code == 0, result.exception
    assert any("version 3 is the bank alone" in note for note in last["notes"])
    assert any("version 3, the bank alone, 4 of 4" in line for line in last["compared"])
    one, three = (load_bundle(repository / "parts" / version) for version in "13")
    assert three.manifest.taught is None
    assert three.manifest.thresholds.image == pytest.approx(one.manifest.thresholds.image)
    model = load_checkpoint((three.path / "checkpoint.safetensors",))
    assert model.good_cells is not None and model.good_cells.head is None


def test_teaching_takes_a_model_to_teach_and_judged_pictures_alone(run: Run, judged: Path) -> None:
    assert "--teach goes with --update NAME" in run("--teach", judged, "--model", "parts").output
    both = run(judged / "good", "--update", "parts", "--teach", judged)
    assert "takes judged pictures alone" in both.output
    missing = run("--update", "parts", "--teach", judged)
    assert "learn it first, with `takt learn GOOD --model parts`" in missing.output


def test_a_version_of_another_family_says_what_to_do(
    run: Run, make_bundle: MakeBundle, judged: Path
) -> None:
    make_bundle(family="inpformer")
    refused = run("--update", "parts", "--teach", judged)
    assert refused.exit_code == 1
    assert "cannot be taught: learn the model anew" in " ".join(refused.output.split())


def verdicts(found: int, of: int = 5) -> Verdicts:
    return Verdicts(np.zeros(of, np.float32), np.arange(of) < found)


def taught(alone: Verdicts, left_out: Verdicts | None) -> TaughtModel:
    limits, none = ThresholdPair(1.0, 2.0), TurnedVerdicts(verdicts(0), verdicts(0))
    by_bank = TurnedVerdicts(alone, alone)
    return TaughtModel(limits, limits, by_bank, by_bank, none, np.zeros(5, np.bool_), left_out)


def test_why_a_head_is_left_out_is_said() -> None:
    kinds = ["scratch"] * 5
    assert why_left_out(taught(verdicts(3), None), kinds) is None
    fewer = why_left_out(taught(verdicts(3), verdicts(2)), kinds)
    assert fewer is not None
    assert "find 0 that the bank alone misses, each by what has not seen it, and miss 1" in fewer
    assert "further defects help if they look like one another" in fewer
    nothing = why_left_out(taught(verdicts(5), verdicts(5)), kinds)
    assert nothing is not None and "the bank alone finds all 5 judged defects" in nothing


def test_what_is_missing_is_said_by_the_kind_that_gains_most() -> None:
    none = np.zeros(6, np.float32)
    alone = Verdicts(none, np.array([0, 0, 0, 1, 1, 0], bool))
    together = Verdicts(none, np.array([1, 1, 0, 0, 0, 0], bool))
    why = why_left_out(taught(alone, together), ["scratch"] * 3 + ["dent"] * 3)
    assert why is not None
    assert "find 2 that the bank alone misses" in why and "and miss 2 that it finds" in why
    assert "About 2 more of kind scratch would show that it pays" in why
