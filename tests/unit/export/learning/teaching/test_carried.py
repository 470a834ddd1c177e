"""What a taught version takes over from the one before it."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from takt.core.bundles.bundle import Bundle, load_bundle
from takt.core.bundles.thresholds import DeployedThresholds, read_overrides
from takt.core.pictures.facts import FACTS
from takt.core.pictures.good_facts import GoodFacts
from takt.recording.watch.known import KnownBundle
from takt.repository.activation import Activation, keep_activation
from takt_export.calibration import self_test
from takt_export.learning.teaching.carried import carry_over, kept_good_pictures
from takt_export.pictures import picture_size, read_picture
from takt_models.checkpoints.facts import SizeRange
from tests.conftest import MakeBundle
from tests.unit.export.learning.teaching.conftest import Run

BY_PICTURE = [number for number, fact in enumerate(FACTS) if fact.of_picture]
SCORE = [fact.name for fact in FACTS].index("score")


def switch_on(bundle: Bundle) -> None:
    thresholds = DeployedThresholds(bundle, read_overrides(bundle.path))
    thresholds.change(image=None, pixel=None, reason="the lamp failed", undecided=True)


@pytest.fixture
def made_up_defects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Self-tests make up defects on two pictures."""
    monkeypatch.setattr(self_test, "ROUNDS", 2)


@pytest.mark.slow
@pytest.mark.usefixtures("made_up_defects")
@pytest.mark.parametrize("by", ["command line", "console"])
def test_facts_undecided_watch_and_self_test_go_on_by_both_ways(
    by: str, run: Run, parts: Bundle, judged: Path
) -> None:
    switch_on(parts)
    if by == "command line":  # judged defects alone; the console gathers what passed as well
        shutil.rmtree(judged / "good")
        shutil.rmtree(judged / "passed")
    result = run("--update", "parts", "--teach", judged, "--progress", "json")
    assert result.exit_code == 0, result.output
    last = [json.loads(line) for line in result.output.splitlines() if line.startswith("{")][-1]
    new = load_bundle(parts.path.with_name("2"))

    before, after = GoodFacts.of(parts.calibration), GoodFacts.of(new.calibration)
    assert before is not None and after is not None
    np.testing.assert_array_equal(after.table[:, BY_PICTURE], before.table[:, BY_PICTURE])
    np.testing.assert_array_equal(after.look.mean, before.look.mean)
    # The score is the taught model's own.
    assert sorted(after.table[:, SCORE]) == sorted(new.calibration.good_score)
    known, watched = KnownBundle.of(parts).calibration, KnownBundle.of(new).calibration
    assert known is not None and watched is not None
    assert watched.sides == known.sides

    switch = read_overrides(new.path).undecided
    assert switch is not None and switch == read_overrides(parts.path).undecided
    assert not any("NOT carried over" in note for note in last["notes"])

    tested = new.manifest.self_test
    assert tested is not None and tested.defects == 24
    assert any("3 known defects of version 1 do not count" in note for note in last["notes"])


@pytest.mark.slow
@pytest.mark.usefixtures("made_up_defects")
def test_what_was_carried_is_carried_again_and_what_is_known_by_heart_is_not_compared(
    run: Run, parts: Bundle, judged: Path, tmp_path: Path
) -> None:
    for other in ("good", "passed"):
        shutil.rmtree(judged / other)
    first = tmp_path / "first"
    shutil.copytree(judged, first)
    for path in sorted((first / "defect").iterdir())[5:]:
        path.unlink()
    said = []
    for version, folder in (("1", first), ("2", judged), ("3", judged)):
        keep_activation(parts.path.parent, Activation.now(version, None, None))
        result = run("--update", "parts", "--teach", folder, "--progress", "json")
        assert result.exit_code == 0, result.output
        lines = [line for line in result.output.splitlines() if line.startswith("{")]
        said.append(json.loads(lines[-1]))
    assert [one["taught"]["defects"] for one in said] == [5, 8, 8]
    assert [one["taught"]["compared"] for one in said] == [5, 3, 0]
    assert all(
        one["taught"][of] <= one["taught"]["compared"]
        for one in said
        for of in ("found_before", "found_after", "bank_found_before", "bank_found_after")
    )
    assert any(
        "version 2 was taught with 5 of them, which it knows by heart. Of the other 3" in line
        for line in said[1]["compared"]
    )
    assert any("it cannot be compared: judge defects" in line for line in said[2]["compared"])
    assert any("what that costs cannot be told" in line for line in said[2]["compared"])
    assert any("8 of 8 defects taught the version" in note for note in said[2]["notes"])
    three = load_bundle(parts.path.with_name("3"))
    assert three.manifest.taught is not None and three.manifest.taught.compared == 3
    assert not three.calibration.defect_score.size
    before, after = GoodFacts.of(parts.calibration), GoodFacts.of(three.calibration)
    assert before is not None and after is not None
    np.testing.assert_array_equal(after.table[:, BY_PICTURE], before.table[:, BY_PICTURE])
    assert np.isfinite(after.table[:, SCORE]).all()
    assert three.manifest.self_test is not None
    assert three.manifest.self_test.defects == 24
    assert read_overrides(three.path).undecided is None


def test_pictures_that_a_version_keeps_are_of_the_size_that_it_was_learned_from(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    bundle = make_bundle(provenance=origin(defects=False))
    paths = kept_good_pictures(bundle, SizeRange(96, 96, 64, 64), tmp_path)
    passing = bundle.golden.score <= bundle.manifest.thresholds.image
    assert len(paths) == passing.sum()
    assert {picture_size(path) for path in paths} == {(96, 64)} or not paths
    own = kept_good_pictures(bundle, None, tmp_path)
    for path, image in zip(own, bundle.golden.images[passing], strict=True):
        np.testing.assert_array_equal(read_picture(path), image)


def test_a_defect_that_a_version_keeps_stands_for_no_good_part(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    high = {"thresholds": thresholds(1e9)}
    good = make_bundle(version="1", provenance=origin(defects=False), **high)
    both = make_bundle(version="2", provenance=origin(defects=True), **high)
    old = make_bundle(version="3", **high)
    counts = [len(kept_good_pictures(one, None, tmp_path)) for one in (good, both, old)]
    assert counts == [3, 2, 0]


def test_what_cannot_be_carried_is_said(make_bundle: MakeBundle) -> None:
    told: list[str] = []
    tested = {"pictures": 2, "sizes": (SIZE,), "made_at": "2026-01-01T00:00:00+00:00"}
    base = make_bundle(version="1", self_test=tested)
    switch_on(base)
    new = make_bundle(version="2", self_test=tested | {"pictures": 0, "sizes": ()})
    carry_over(base, new, told.append)
    (line,) = told
    assert "the self-test of version 1 could not be made anew" in line
    assert "`good` or `passed`" in line
    # It does not know what its good pictures look like.
    assert read_overrides(new.path).undecided is None


SIZE = {"side_px": 8, "defects": 12, "found": 3}


def thresholds(limit: float) -> dict[str, Any]:
    return {"image": limit, "pixel": limit, "method": "made up", "good_count": 40}


def origin(*, defects: bool) -> dict[str, Any]:
    some = {"count": 1, "digest": "0" * 64}
    return {"good": some, "defects": some if defects else None, "host": "x", "system": "y"}
