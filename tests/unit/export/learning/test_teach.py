import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from export.commands.learn import learn
from export.errors import LearnError
from export.learning.learn import Learned
from export.learning.stages import Stages
from export.learning.teach import (
    TaughtVersion,
    inspection_of,
    judged_pictures,
    mcnemar,
    why_left_out,
)
from export.learning.teaching import (
    TaughtModel,
    TeachingPicture,
    TurnedVerdicts,
    Verdicts,
    costs_more,
)
from models.checkpoints.formats import load_checkpoint
from service.core.bundles.bundle import load_bundle
from service.core.bundles.taught import JUDGEMENTS
from service.core.bundles.thresholds import ThresholdPair
from service.core.domain import Box
from service.core.judged import LINES, JudgedFile, read_judged
from service.repository.activation import Activation, keep_activation, read_activation
from tests.conftest import MakeBundle

Run = Callable[..., Result]


@pytest.fixture
def run(repository: Path) -> Run:
    """Runs `takt learn` into the repository."""

    def invoke(*arguments: object) -> Result:
        given = ("--repository", repository, "--device", "cpu", "--server", "http://127.0.0.1:9")
        return CliRunner().invoke(learn, [*map(str, (*arguments, *given)), "-q"])

    return invoke


def spoil(paths: Sequence[Path]) -> None:
    """Draws the same small defect into pictures, at different places."""
    for number, path in enumerate(paths):
        picture = cv2.imread(str(path))
        assert picture is not None
        x, y = 10 + 7 * (number % 7), 8 + 5 * (number % 8)
        picture[y : y + 8, x : x + 8 : 2] = (0, 0, 255)
        cv2.imwrite(str(path), picture)


@pytest.fixture
def judged(write_pictures: Any, tmp_path: Path) -> Path:
    """Judged pictures: eight alike defects, two good parts, and three that passed."""
    folder = tmp_path / "judged"
    spoil(write_pictures(folder / "defect", 8, seed=20))
    write_pictures(folder / "good", 2, seed=30)
    write_pictures(folder / "passed", 3, seed=40)
    return folder


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
    grown = run("--update", "parts", "--good", tmp_path / "more")
    assert grown.exit_code == 0, grown.output

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


def test_without_a_defect_there_is_nothing_to_teach(write_pictures: Any, tmp_path: Path) -> None:
    write_pictures(tmp_path / "judged" / "good", 2)
    with pytest.raises(LearnError, match="has no judged defect: judge what was missed first"):
        judged_pictures(tmp_path / "judged", Stages(quiet=True))


def test_a_picture_that_is_judged_both_ways_is_named(judged: Path) -> None:
    one = sorted((judged / "defect").iterdir())[0]
    (judged / "good" / "again.png").write_bytes(one.read_bytes())
    with pytest.raises(LearnError, match=r"good/again\.png and defect/000\.png are one picture"):
        judged_pictures(judged, Stages(quiet=True))


def test_a_copy_counts_once_and_what_was_judged_is_no_passed_picture(judged: Path) -> None:
    one = sorted((judged / "defect").iterdir())[0]
    (judged / "defect" / "copy.png").write_bytes(one.read_bytes())
    (judged / "passed" / "copy.png").write_bytes(one.read_bytes())
    found = judged_pictures(judged, Stages(quiet=True))
    assert (len(found.defects), len(found.good), len(found.passed)) == (8, 2, 3)


def test_a_picture_that_was_changed_since_it_was_judged_is_refused(judged: Path) -> None:
    lines = [one.line() for one in read_judged(judged)]
    (judged / LINES).write_bytes(b"".join(lines))
    spoil(sorted((judged / "good").iterdir())[:1])
    with pytest.raises(LearnError, match=r"000\.png is another picture than was judged"):
        judged_pictures(judged, Stages(quiet=True))


def test_what_reviewers_disagree_on_is_left_out_and_doubted(judged: Path) -> None:
    said = [replace(one, disputed=one.file.endswith("000.png")) for one in read_judged(judged)]
    (judged / LINES).write_bytes(b"".join(one.line() for one in said))
    found = judged_pictures(judged, Stages(quiet=True))
    assert (len(found.defects), len(found.good), len(found.disputed)) == (7, 1, 2)


def test_pictures_that_it_was_learned_from_are_doubted_and_named(
    judged: Path, make_bundle: MakeBundle
) -> None:
    found = judged_pictures(judged, Stages(quiet=True))
    count = len(found.defects)
    one = Verdicts(np.ones(count, np.float32), np.ones(count, np.bool_))
    none = Verdicts(np.zeros(5, np.float32), np.zeros(5, np.bool_))
    files = ("good/inspection-7.png", "good/a.png", "good/b.png", "good/c.png")
    taught = TaughtModel(
        in_force=ThresholdPair(1.0, 1.0),
        thresholds=ThresholdPair(1.0, 1.0),
        defects=TurnedVerdicts(one, one),
        by_bank=TurnedVerdicts(one, one),
        others=TurnedVerdicts(none, none),
        doubtful=np.zeros(count, np.bool_),
        suspects=files,
    )
    version = TaughtVersion(Learned(make_bundle(), found), found, "1", taught)
    said = [(one["file"], one["inspection"]) for one in version.plain()["doubts"]]
    assert said == [*zip(files, (7, None, None, None), strict=True)]
    (line,) = [line for line in version.lines() if "learned from" in line]
    assert line.startswith("4 pictures that it was learned from as good look like judged defects (")
    assert "(good/inspection-7.png, good/a.png, good/b.png, good/c.png)" in line
    assert not any("doubtful" in line for line in version.lines())


def test_a_box_outside_its_picture_is_refused(judged: Path) -> None:
    defect = next(one for one in read_judged(judged) if one.judgement == "defect")
    boxed = JudgedFile(
        file=defect.file, sha256=defect.sha256, judgement="defect", box=Box(70, 50, 20, 20)
    )
    (judged / LINES).write_bytes(boxed.line())
    with pytest.raises(LearnError, match="80 x 60 pixels, and its box lies outside"):
        judged_pictures(judged, Stages(quiet=True))


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        (Box(0, 0, 100, 50), (0, 1, 2, 3, 4), tuple(range(10))),
        (Box(95, 45, 5, 5), (4,), (9,)),
        (Box(11, 11, 1, 1), (1,), (1,)),
        (Box(9, 9, 2, 2), (0, 1), (0, 1)),
    ],
)
def test_a_box_means_each_cell_that_it_touches(
    box: Box, rows: tuple[int, ...], columns: tuple[int, ...]
) -> None:
    said = JudgedFile(file="defect/a.png", sha256="0" * 64, judgement="defect", box=box)
    inside = TeachingPicture(Path("a.png"), said, 100, 50).cells_in_box(5, 10)
    assert inside is not None
    assert np.flatnonzero(inside.any(1)).tolist() == [*rows]
    assert np.flatnonzero(inside.any(0)).tolist() == [*columns]


def test_turned_verdicts_are_counted_both_ways() -> None:
    thresholds = ThresholdPair(1.0, 2.0)
    low, high = np.float32([0, 2, 0, 0]), np.float32([0, 0, 0, 3])
    before = Verdicts.at(thresholds, low, np.zeros(4, np.float32))
    after = Verdicts.at(thresholds, np.zeros(4, np.float32), high)
    turned = TurnedVerdicts(before, after)
    assert (turned.rejected.tolist(), turned.accepted.tolist()) == ([3], [1])
    assert (before.found, after.found) == (1, 1)


def verdicts(found: int, of: int = 5) -> Verdicts:
    return Verdicts(np.zeros(of, np.float32), np.arange(of) < found)


@pytest.mark.parametrize(
    ("together", "alone", "costs"),
    [(3, 3, False), (4, 3, False), (2, 3, True), (5, 5, True), (0, 0, False)],
)
def test_a_head_costs_more_where_it_finds_fewer_or_nothing_is_missed(
    together: int, alone: int, costs: bool
) -> None:
    assert costs_more(verdicts(together), verdicts(alone)) is costs


def test_why_a_head_is_left_out_is_said() -> None:
    def taught(alone: int, left_out: Verdicts | None) -> TaughtModel:
        limits, none = ThresholdPair(1.0, 2.0), TurnedVerdicts(verdicts(0), verdicts(0))
        by_bank = TurnedVerdicts(verdicts(alone), verdicts(alone))
        return TaughtModel(limits, limits, by_bank, by_bank, none, np.zeros(5, np.bool_), left_out)

    assert why_left_out(taught(3, None)) is None
    fewer = why_left_out(taught(3, verdicts(2)))
    assert (
        fewer is not None and "find 2, each by what has not seen it, and the bank alone 3" in fewer
    )
    nothing = why_left_out(taught(5, verdicts(5)))
    assert nothing is not None and "the bank alone finds all 5 judged defects" in nothing


def test_a_test_of_turned_verdicts_needs_six() -> None:
    assert mcnemar(5, 0) is None
    assert mcnemar(0, 7) == pytest.approx(2 / 2**7)
    assert mcnemar(4, 4) == 1.0


def test_inspections_are_told_by_the_names_that_the_record_gives() -> None:
    assert inspection_of(Path("x/inspection-7.png")) == 7
    assert inspection_of(Path("x/inspection-7b.png")) is None
