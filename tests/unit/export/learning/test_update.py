from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from click.testing import CliRunner, Result

from takt.core.bundles.bundle import CHECKPOINT, Bundle, load_bundle
from takt.core.bundles.manifest import Thresholds
from takt.core.bundles.thresholds import DeployedThresholds, Overrides
from takt.core.families.every import learnable
from takt.core.pictures.facts import FACT_NAMES, FACTS
from takt.core.pictures.good_facts import LEAST
from takt.repository.activation import Activation, keep_activation, read_activation
from takt_export.commands.learn import learn
from takt_export.learning.learn import Learned
from takt_export.learning.update import Updated, asked_alpha, compared
from tests.conftest import MakeBundle


@pytest.fixture
def run(repository: Path) -> Callable[..., Result]:
    """Runs `takt learn` into the repository."""

    def invoke(*arguments: object) -> Result:
        given = ("--repository", repository, "--device", "cpu", "--server", "http://127.0.0.1:9")
        return CliRunner().invoke(learn, [*map(str, (*arguments, *given)), "-q"])

    return invoke


@pytest.fixture
def versions(make_bundle: MakeBundle) -> tuple[Bundle, Bundle]:
    """A version with 40 scores up to 0.49, and its update with their own former ones and 2 more."""
    one, two = make_bundle(), make_bundle(version="2")
    former = np.linspace(0.1, 0.51, 40, dtype=np.float32)
    scores = np.concatenate([former, np.float32([0.2, 0.6])])
    return one, replace(
        two, calibration=replace(two.calibration, good_score=scores, good_peak=scores)
    )


def compare(one: Bundle, two: Bundle) -> Updated:
    learned = Learned(two, cast("Any", None))
    before, after = ([scores, scores] for scores in ([0.3, 0.7], [0.2, 0.6]))
    return compared(learned, one, np.float32(before), np.float32(after))


def test_each_version_is_counted_on_its_own_scores_of_the_former_pictures(
    versions: tuple[Bundle, Bundle],
) -> None:
    assert compare(*versions).lines() == [
        "version 1 at 0.5 rejects 1 of 2 (50.0%) of the new good pictures, 0 of 40 "
        "(0.0%) of the former ones",
        "version 2 at 0.5 rejects 1 of 2 (50.0%) of the new good pictures, at most 1 "
        "of 40 (2.5%) of the former ones",
    ]


def test_the_version_before_is_counted_at_the_threshold_that_people_have_set(
    versions: tuple[Bundle, Bundle],
) -> None:
    one, two = versions
    DeployedThresholds(one, Overrides()).change(image=0.485, pixel=None, reason=None)
    found = compare(one, two)
    assert (found.before.threshold, found.before.former) == (0.485, 1)
    assert found.after.threshold == 0.5


def test_a_region_alone_rejects_a_picture_too(versions: tuple[Bundle, Bundle]) -> None:
    one, two = versions
    scores, peaks = [0.3, 0.3], [0.7, 0.3]
    found = compared(Learned(two, cast("Any", None)), one, *np.float32([[scores, peaks]] * 2))
    assert (found.before.new, found.after.new) == (1, 1)


@pytest.mark.parametrize("count", [0, 2, 30, 41])
def test_scores_of_other_pictures_are_no_figure_of_the_former_ones(
    versions: tuple[Bundle, Bundle], count: int
) -> None:
    one, two = versions
    scores = np.full(count, 0.6, np.float32)
    other = replace(two.calibration, good_score=scores, good_peak=scores)
    found = compare(one, replace(two, calibration=other))
    assert (found.before.former, found.after.former) == (None, None)
    assert all(line.endswith("of the new good pictures") for line in found.lines())


@pytest.mark.parametrize(
    ("alpha", "count", "asked"),
    [(0.05, 200, 0.05), (0.01, 200, None), (0.0466, 42, None), (0.1, 9, None), (None, 0, None)],
)
def test_an_alpha_that_the_pictures_gave_is_not_taken_for_one_that_was_asked_for(
    alpha: float | None, count: int, asked: float | None
) -> None:
    found = Thresholds(image=1, pixel=1, method="by hand", alpha=alpha, good_count=count)
    assert asked_alpha(found) == asked


@pytest.mark.slow
def test_an_update_adds_pictures_and_shows_before_and_after_and_waits(
    run: Callable[..., Result], write_pictures: Any, tmp_path: Path, repository: Path
) -> None:
    write_pictures(tmp_path / "good", LEAST)
    write_pictures(tmp_path / "new", 7, seed=5, high=120)
    first = run(tmp_path / "good", "--model", "parts", "--group", r"(\d+)\.")
    assert first.exit_code == 0, first.output
    assert f"parts known by ids: {LEAST}, such as '000'" in first.output
    assert "the fit was told of" not in first.output  # it was told the same
    bundle = load_bundle(repository / "parts" / "1")
    DeployedThresholds(bundle, Overrides()).change(image=2.5, pixel=None, reason="new lamp")
    result = run("--update", "parts", "--good", tmp_path / "new")
    assert result.exit_code == 0, result.output
    assert "version 1 at " in result.output
    assert "version 2 at " in result.output
    assert "of 7 (" in result.output
    assert "versions/2/activate" in result.output
    assert "NOT carried over: the score threshold 2.5" in " ".join(result.output.split())
    assert "/v1/models/parts/versions/2/threshold" in result.output
    kept = read_activation(repository / "parts")
    assert kept is not None and kept.active == "1"
    one, two = (load_bundle(repository / "parts" / version) for version in "12")
    assert CHECKPOINT in two.manifest.files
    assert len(two.calibration.good_score) == len(one.calibration.good_score) + 7
    assert len(two.calibration.seen) == LEAST + 7
    # Of the former parts the ids stay, and nobody has named the new ones.
    assert len(set(one.calibration.parts.tolist())) == LEAST
    assert two.calibration.parts.tolist() == [*one.calibration.parts.tolist(), *[""] * 7]
    # The facts of the former pictures stay, and those of the new ones join them.
    of_pictures = [at for at, fact in enumerate(FACTS) if fact.of_picture]
    known, further = np.split(two.calibration.facts[:, of_pictures], [LEAST])
    np.testing.assert_array_equal(known, one.calibration.facts[:, of_pictures])
    assert len(further) == 7
    scores = two.calibration.facts[:, FACT_NAMES.index("score")].tolist()
    assert sorted(scores) == sorted(two.calibration.good_score.tolist())
    again = run("--update", "parts", "--good", tmp_path / "good")
    assert "has seen all of these pictures" in again.output


@pytest.mark.slow
def test_a_model_learned_by_lots_holds_a_new_lot_apart(
    run: Callable[..., Result], write_pictures: Any, tmp_path: Path, repository: Path
) -> None:
    for number, day in enumerate(("mon", "tue", "wed")):
        write_pictures(tmp_path / "good" / day, 8, seed=number)
    write_pictures(tmp_path / "new", 7, seed=5, high=120)
    first = run(tmp_path / "good", "--model", "parts")
    assert first.exit_code == 0, first.output
    assert "24 pictures, 80 x 60; 3 lots (folders)" in " ".join(first.output.split())
    assert "by how 3 lots differ, such as mon" in " ".join(first.output.split())
    result = run("--update", "parts", "--good", tmp_path / "new")
    assert result.exit_code == 0, result.output
    assert "by how 4 lots differ" in " ".join(result.output.split())
    one, two = (load_bundle(repository / "parts" / version) for version in "12")
    for version, lots in ((one, 3), (two, 4)):
        tested = version.manifest.self_test
        assert tested is not None
        assert tested.next_lot is not None
        assert tested.next_lot.lots == lots
    # No bank of the new version's folds has seen a new picture.
    assert "has not seen its own fold, nor its lot, of 4" in two.manifest.thresholds.notes[0]


@pytest.mark.slow
def test_an_update_keeps_the_alpha_that_somebody_asked_for_and_no_other(
    run: Callable[..., Result], write_pictures: Any, tmp_path: Path, repository: Path
) -> None:
    write_pictures(tmp_path / "good", 6)
    write_pictures(tmp_path / "new", 7, seed=5, high=120)
    for model, asked in (("asked", ("--alpha", 0.25)), ("given", ())):
        first = run(tmp_path / "good", "--model", model, *asked)
        assert first.exit_code == 0, first.output
        updated = run("--update", model, "--good", tmp_path / "new")
        assert updated.exit_code == 0, updated.output
    write_pictures(tmp_path / "further", 3, seed=9)
    refused = run("--update", "asked", "--good", tmp_path / "further", "--alpha", 0.01)
    assert "good pictures: 9; alpha 0.01 needs at least 99" in refused.output
    alphas = {
        (model, version): load_bundle(repository / model / version).manifest.thresholds.alpha
        for model in ("asked", "given")
        for version in "12"
    }
    assert alphas == {
        ("asked", "1"): 0.25,
        ("asked", "2"): 0.25,
        ("given", "1"): 0.143,
        ("given", "2"): 0.0715,
    }


def test_a_model_that_is_not_there_or_keeps_no_bank_says_what_to_do(
    run: Callable[..., Result],
    make_bundle: MakeBundle,
    pictures: Path,
    repository: Path,
) -> None:
    missing = run("--update", "parts", "--good", pictures / "good")
    assert missing.exit_code == 1
    assert "learn it first, with `takt learn GOOD --model parts`" in missing.output
    make_bundle(family="inpformer")
    refused = run("--update", "parts", "--good", pictures / "good")
    assert refused.exit_code == 1
    assert "keeps no bank" in refused.output
    keep_activation(repository / "parts", Activation.now("7", None, None))
    gone = run("--update", "parts", "--good", pictures / "good")
    assert gone.exit_code == 1
    assert "parts/7 is no bundle" in gone.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "give one folder of good pictures"),
        (("a", "--good", "b"), "give one folder of good pictures"),
        (("a",), "name the model"),
        (("a", "--model", "x", "--update", "x"), "name the model"),
        (
            ("a", "--update", "x", "--family", "efficientad"),
            "--update is for patchcore, not efficientad: leave --family out",
        ),
        (("a", "--update", "x", "--size", "auto"), "--update keeps the size and the encoder"),
    ],
)
def test_what_is_missing_is_said(
    run: Callable[..., Result], arguments: tuple[str, ...], says: str
) -> None:
    refused = run(*arguments)
    assert refused.exit_code == 2
    assert says in refused.output


def test_every_family_can_be_chosen() -> None:
    family = next(one for one in learn.params if one.name == "family")
    assert tuple(one.name for one in learnable()) == tuple(family.type.choices)
