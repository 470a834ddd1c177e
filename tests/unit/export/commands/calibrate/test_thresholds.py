"""The thresholds that `takt calibrate` finds, and what it says of them."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from takt.core.bundles.bundle import Bundle, load_bundle
from takt.core.bundles.card import CARD
from takt.core.bundles.manifest import CALIBRATION
from takt.core.bundles.taught import JUDGEMENTS
from takt.core.bundles.thresholds import OVERRIDES, DeployedThresholds, read_overrides
from takt.core.bundles.writing import replace_calibration as put_calibration
from takt.core.judged import JudgedFile
from takt_export.bundling.provenance import picture_set
from takt_export.report.card import card, write_card
from takt_models.checkpoints.picture_digest import picture_digest
from tests.commands import repeated
from tests.conftest import MakeBundle
from tests.unit.export.commands.calibrate.calibrating import (
    cells,
    done,
    in_words,
    of,
    refused,
    row,
    run,
    write,
)


def test_a_bundle_gets_conformal_thresholds_and_says_what_they_promise(
    bundle: Bundle, good: Path
) -> None:
    output = done(bundle.path, "--good", good, "--alpha", 0.1)
    thresholds = load_bundle(bundle.path).manifest.thresholds
    assert thresholds.image == pytest.approx(of(110), abs=1e-6)  # ⌈51 · 0.9⌉ = 46
    assert thresholds.pixel == pytest.approx(of(110), abs=1e-6)
    assert (thresholds.method, thresholds.alpha, thresholds.good_count) == (
        "split conformal",
        0.1,
        50,
    )
    assert thresholds.found_at is not None
    assert "parts version 1: 50 good pictures\n" in output
    assert row(output, "conformal *, score")[1:] == ["4", "of", "50", "(8.0%)", "-"]
    assert row(output, "until now, score") == ["0.5", "0", "of", "50", "(0.0%)", "-"]
    words = in_words(output)
    assert "about 10 % of further good pictures like these 50 are called anomalous, by" in words
    assert "Proven are at most 10 % by score, and at most 10 % by a region" in words
    assert "over the calibration pictures and the new one together" in words
    assert "Nothing is promised of defects" in words
    assert "deployed conformal: score 0.43137" in words


def test_without_an_alpha_no_single_one_of_few_pictures_makes_the_threshold(
    bundle: Bundle, good: Path
) -> None:
    output = done(bundle.path, "--good", good)
    thresholds = load_bundle(bundle.path).manifest.thresholds
    assert thresholds.alpha == 0.0393  # 2 / 51
    assert thresholds.image == pytest.approx(of(116), abs=1e-6)
    (note,) = (one for one in thresholds.notes if one.startswith("alpha is"))
    assert note.startswith("alpha is 0.0393, so that no single one of 50 good pictures makes")
    assert note.endswith("0.0197 is the smallest that they allow, and 0.01 needs 99")
    assert in_words(output).count(note) == 1
    asked = refused(run(bundle.path, "--good", good, "--alpha", 0.01))
    assert "alpha 0.01 needs at least 99; or ask for an alpha of 0.0197 or more" in asked


def test_the_graph_and_the_golden_answers_stay(bundle: Bundle, good: Path) -> None:
    before = {
        file.name: file.read_bytes()
        for file in bundle.path.iterdir()
        if file.name in ("model.onnx", "golden.npz")
    }
    done(bundle.path, "--good", good)
    after = load_bundle(bundle.path)
    assert {name: (bundle.path / name).read_bytes() for name in before} == before
    assert len(after.calibration.good_score) == 50
    assert after.manifest.map.low == pytest.approx(of(69), abs=1e-6)
    assert not (bundle.path / CALIBRATION).exists()


@pytest.mark.parametrize("had_one", [True, False])
def test_a_card_tells_the_new_thresholds_where_there_is_one(
    bundle: Bundle, good: Path, had_one: bool
) -> None:
    if had_one:
        write_card(bundle)
    done(bundle.path, "--good", good)
    assert (bundle.path / CARD).exists() is had_one
    if had_one:
        assert (bundle.path / CARD).read_text() == card(load_bundle(bundle.path).manifest)


def test_a_card_that_cannot_be_written_is_told_beside_the_thresholds_that_were_deployed(
    bundle: Bundle, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write_card(bundle)
    monkeypatch.setattr("takt_export.report.card.write_card", full)
    result = run(bundle.path, "--good", good)
    assert result.exit_code == 0, result.output
    assert "its card cannot be written (No space left on device)" in result.output
    assert "deployed    conformal" in result.output


def test_a_dry_run_writes_nothing(bundle: Bundle, good: Path) -> None:
    before = {file.name: file.read_bytes() for file in bundle.path.iterdir()}
    output = done(bundle.path, "--good", good, "--dry-run")
    assert "deployed nothing, as it is a dry run; it would be conformal" in in_words(output)
    assert {file.name: file.read_bytes() for file in bundle.path.iterdir()} == before


def test_defects_show_what_each_threshold_misses(bundle: Bundle, good: Path, defects: Path) -> None:
    output = done(bundle.path, "--good", good, "--defects", defects, "--alpha", 0.1)
    assert "50 good pictures and 10 defective ones" in output
    assert row(output, "conformal *, score")[1:] == cells("4 of 50 (8.0%) 4 of 10 (40.0%)")
    assert row(output, "conformal *, either") == cells("4 of 50 (8.0%) 4 of 10 (40.0%)")
    assert row(output, "best F1, score")[1:] == cells("0 of 50 (0.0%) 5 of 10 (50.0%)")
    assert row(output, "best F1, either") == cells("0 of 50 (0.0%) 5 of 10 (50.0%)")
    assert "least cost" not in output
    assert "best F1 is chosen by the very pictures that it is counted on" in in_words(output)
    bundle = load_bundle(bundle.path)
    assert bundle.manifest.thresholds.alpha == 0.1
    assert len(bundle.calibration.defect_score) == 10


def test_the_threshold_of_the_best_f1_is_deployed_on_demand_without_a_promise(
    bundle: Bundle, good: Path, defects: Path
) -> None:
    output = done(
        bundle.path, "--good", good, "--defects", defects, "--alpha", 0.1, "--deploy", "best-f1"
    )
    thresholds = load_bundle(bundle.path).manifest.thresholds
    assert thresholds.image == pytest.approx((of(118) + of(131)) / 2, abs=1e-6)
    assert (thresholds.method, thresholds.alpha) == ("best F1", None)
    assert (thresholds.good_count, thresholds.defect_count) == (50, 10)
    assert row(output, "best F1 *, score")[1:] == cells("0 of 50 (0.0%) 5 of 10 (50.0%)")
    assert "deployed best F1: score" in in_words(output)


def test_costs_and_prevalence_weigh_the_mistakes(bundle: Bundle, good: Path, defects: Path) -> None:
    output = done(
        bundle.path, "--good", good, "--defects", defects, "--alpha", 0.1, "--deploy", "cost",
        "--cost-miss", 100, "--cost-reject", 1, "--prevalence", 0.05,
    )  # fmt: skip
    manifest = load_bundle(bundle.path).manifest
    # Another miss costs 0.5 a part, all false rejects together 0.95.
    assert manifest.thresholds.image == pytest.approx((of(70) + of(71)) / 2, abs=1e-6)
    assert manifest.thresholds.method == "least cost"
    assert manifest.thresholds.notes[-1] == (
        "a miss costs 100, a false reject 1, at a prevalence of 0.05"
    )
    found = row(output, "least cost *, score")
    assert found[1:] == cells("24 of 50 (48.0%) 0 of 10 (0.0%) 0.456")
    conformal = row(output, "conformal, score")
    assert conformal[-1] == f"{100 * 0.4 * 0.05 + 0.08 * 0.95:.4g}"


def test_a_rule_that_rejects_nothing_says_so(bundle: Bundle, good: Path, defects: Path) -> None:
    output = done(
        bundle.path, "--good", good, "--defects", defects, "--deploy", "cost",
        "--cost-miss", 1, "--cost-reject", 1, "--prevalence", 0.000001,
        "--dry-run",
    )  # fmt: skip
    assert row(output, "least cost *, score")[1:4] == ["0", "of", "50"]
    assert "least cost rejects no defect" not in output
    none = good.parent / "none"
    write(none, [19, 17])
    output = done(
        bundle.path, "--good", good, "--defects", none, "--deploy", "cost",
        "--cost-miss", 1, "--cost-reject", 1, "--prevalence", 0.000001, "--dry-run",
    )  # fmt: skip
    assert "least cost rejects no defect at all" in in_words(output)
    output = done(
        bundle.path, "--good", good, "--defects", none, "--deploy", "best-f1", "--dry-run"
    )
    assert "best F1 rejects every picture" in in_words(output)


def test_pictures_that_the_fit_saw_are_left_out_now_and_later(bundle: Bundle, good: Path) -> None:
    files = sorted(good.iterdir())
    digests = np.array([picture_digest(file) for file in files[40:]])
    known = dict(vars(bundle.calibration)) | {"seen": digests}
    knowing = put_calibration(
        bundle, type(bundle.calibration)(**known), bundle.manifest.thresholds, 0.1
    )
    output = done(knowing.path, "--good", good)
    assert "calibrating on 40 pictures the training never saw; 10 seen ones left out" in output
    assert "nothing says" not in output
    again = load_bundle(bundle.path)
    assert again.manifest.thresholds.image == pytest.approx(of(96), abs=1e-6)
    assert set(again.calibration.seen) == set(digests)


def test_a_bundle_that_does_not_know_what_the_fit_saw_is_told_of_once_unless_named(
    bundle: Bundle, good: Path, tmp_path: Path
) -> None:
    output = done(bundle.path, "--good", good)
    assert in_words(output).count("nothing says which pictures the training has seen") == 1
    assert repeated(output) == []
    assert "if the training has seen none of them" in in_words(output)
    assert any(
        "nothing says" in note for note in load_bundle(bundle.path).manifest.thresholds.notes
    )

    fitted_on = tmp_path / "fitted-on"
    fitted_on.mkdir()
    for file in sorted(good.iterdir())[30:]:
        (fitted_on / file.name).write_bytes(file.read_bytes())
    output = done(bundle.path, "--good", good, "--fitted-on", fitted_on)
    assert "nothing says" not in output
    again = load_bundle(bundle.path)
    assert again.manifest.thresholds.good_count == 30
    assert len(again.calibration.seen) == 20


def test_thresholds_that_somebody_set_are_removed_and_shown_as_those_until_now(
    bundle: Bundle, good: Path
) -> None:
    DeployedThresholds(bundle, read_overrides(bundle.path)).change(
        image=0.125, pixel=None, reason=None
    )
    looked = done(bundle.path, "--good", good, "--dry-run")
    assert row(looked, "until now, score")[0] == "0.125"
    assert (bundle.path / OVERRIDES).exists()
    output = done(bundle.path, "--good", good)
    assert "thresholds that were set on a running server are removed" in output
    assert not (bundle.path / OVERRIDES).exists()


def test_no_decision_is_switched_on_and_stays_where_thresholds_are_found_again(
    bundle: Bundle, good: Path
) -> None:
    done(bundle.path, "--good", good, "--undecided")
    assert DeployedThresholds(bundle, read_overrides(bundle.path)).in_force.undecided is True
    done(bundle.path, "--good", good)
    switch = read_overrides(bundle.path).undecided
    assert switch is not None
    assert (switch.value, switch.reason) == (True, "takt calibrate")
    done(bundle.path, "--good", good, "--no-undecided")
    assert DeployedThresholds(bundle, read_overrides(bundle.path)).in_force.undecided is False


def test_copies_count_once(bundle: Bundle, good: Path, defects: Path) -> None:
    for folder in (good, defects):
        (folder / "copy.png").write_bytes((folder / "000.png").read_bytes())
    output = done(bundle.path, "--good", good, "--defects", defects)
    assert output.count("left out as copies of other pictures: 1") == 2
    assert "50 good pictures and 10 defective ones" in output


def test_defects_that_taught_a_version_say_nothing_of_what_it_misses(
    make_bundle: MakeBundle, good: Path, defects: Path
) -> None:
    pictures = sorted(defects.iterdir())

    def lines(taught: list[Path]) -> bytes:
        return b"".join(
            JudgedFile(
                file=f"defect/{path.name}",
                sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
                judgement="defect",
            ).line()
            for path in taught
        )

    some = make_bundle(version="2", kept={JUDGEMENTS: lines(pictures[:4])})
    output = done(some.path, "--good", good, "--defects", defects)
    assert "4 of 10 defects taught the version" in in_words(output)
    assert load_bundle(some.path).calibration.defect_score.size == 6
    every = make_bundle(version="3", kept={JUDGEMENTS: lines(pictures)})
    said = refused(run(every.path, "--good", good, "--defects", defects))
    assert "was taught with all 10 given defects" in in_words(said)


def test_a_bundle_of_known_origin_says_what_it_was_calibrated_on(
    make_bundle: Callable[..., Bundle], good: Path
) -> None:
    first = {"count": 1, "digest": "0" * 64}
    made = make_bundle(provenance={"good": first, "host": "a processor", "system": "Linux"})

    run(made.path, "--good", good)

    origin = load_bundle(made.path).manifest.provenance
    assert origin is not None
    assert origin.calibrated_on == picture_set(sorted(good.iterdir()))
    assert (origin.good.count, origin.host) == (1, "a processor")


def test_a_bundle_of_unknown_origin_stays_one(bundle: Bundle, good: Path) -> None:
    run(bundle.path, "--good", good)

    assert load_bundle(bundle.path).manifest.provenance is None


def test_the_parts_that_group_names_are_kept_with_their_scores(
    bundle: Bundle, tmp_path: Path
) -> None:
    good = write(tmp_path / "good", range(20, 120, 2))
    for number, path in enumerate(sorted(good.iterdir())):
        path.rename(good / f"part{number // 2:02}_{number % 2}.png")
    output = done(bundle.path, "--good", good, "--alpha", 0.1, "--group", r"(part\d+)_")
    assert "parts known by ids: 25, such as 'part00'" in output
    calibration = load_bundle(bundle.path).calibration
    assert calibration.parts.tolist() == [f"part{number // 2:02}" for number in range(50)]
    assert calibration.good_score[7] == pytest.approx(of(34))
    # Whoever does not name them anew has them no more.
    assert "parts known" not in done(bundle.path, "--good", good, "--alpha", 0.1)
    assert load_bundle(bundle.path).calibration.parts.size == 0
