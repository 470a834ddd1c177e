from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from export.commands.calibrate import calibrate
from export.report.card import CARD, card, write_card
from models.checkpoints.own import picture_digest
from service.bundles.bundle import Bundle, load_bundle
from service.bundles.manifest import CALIBRATION
from service.bundles.thresholds import OVERRIDES, DeployedThresholds, read_overrides
from service.bundles.writing import replace_calibration as put_calibration

MakeBundle = Callable[..., Bundle]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(calibrate, [str(argument) for argument in ("-q", *arguments)])


def done(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def refused(result: Result, status: int = 1) -> str:
    assert result.exit_code == status, result.output
    assert isinstance(result.exception, SystemExit)
    return result.output.strip().splitlines()[-1]


def write(folder: Path, levels: Sequence[int]) -> Path:
    """Flat pictures: the model of `make_bundle` scores each with its level / 255."""
    folder.mkdir()
    for number, level in enumerate(levels):
        picture = np.full((32, 32, 3), level, np.uint8)
        cv2.imwrite(str(folder / f"{number:03}.png"), picture)
    return folder


def of(level: int) -> float:
    return float(np.float32(level) / np.float32(255))


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """20 … 118 in steps of 2: fifty scores."""
    return write(tmp_path / "good", range(20, 120, 2))


@pytest.fixture
def defects(tmp_path: Path) -> Path:
    """Ten scores of which five lie among the good ones."""
    return write(tmp_path / "defects", [71, 81, 91, 101, 111, 131, 141, 151, 161, 171])


def in_words(output: str) -> str:
    return " ".join(output.split())


def cells(text: str) -> list[str]:
    return text.split()


def row(output: str, name: str) -> list[str]:
    (line,) = (line for line in output.splitlines() if line.startswith(name))
    return line.removeprefix(name).split()


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
    assert "a further good picture like these 50 is called anomalous with a probability" in words
    assert "of at most 10 %, and shows a region with at most 10 %" in words
    assert "over the calibration pictures and the new one together" in words
    assert "Nothing is promised of defects" in words
    assert "deployed conformal: score 0.43137" in words


def test_without_an_alpha_the_smallest_that_the_pictures_allow_is_taken(
    bundle: Bundle, good: Path
) -> None:
    output = done(bundle.path, "--good", good)
    thresholds = load_bundle(bundle.path).manifest.thresholds
    assert thresholds.alpha == 0.0197  # 1 / 51
    assert thresholds.image == pytest.approx(of(118), abs=1e-6)
    note = "alpha is 0.0197, the smallest that 50 good pictures allow; 0.01 needs 99"
    assert f"warning: {note}" in output
    assert note in thresholds.notes
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


def test_a_dry_run_writes_nothing(bundle: Bundle, good: Path) -> None:
    before = {file.name: file.read_bytes() for file in bundle.path.iterdir()}
    output = done(bundle.path, "--good", good, "--dry-run")
    assert "deployed nothing, as it is a dry run; it would be conformal" in in_words(output)
    assert {file.name: file.read_bytes() for file in bundle.path.iterdir()} == before


def test_defects_show_what_each_threshold_misses(bundle: Bundle, good: Path, defects: Path) -> None:
    output = done(bundle.path, "--good", good, "--defects", defects, "--alpha", 0.1)
    assert "50 good pictures and 10 defective ones" in output
    assert row(output, "conformal *, score")[1:] == cells("4 of 50 (8.0%) 4 of 10 (40.0%)")
    assert row(output, "best F1, score")[1:] == cells("0 of 50 (0.0%) 5 of 10 (50.0%)")
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


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--deploy", "best-f1"], "--deploy best-f1 needs pictures of defective parts"),
        (["--deploy", "cost"], "--deploy cost needs pictures of defective parts"),
        (["--cost-miss", "1"], "belong together"),
        (
            ["--cost-miss", "1", "--cost-reject", "1", "--prevalence", "0.1"],
            "costs need pictures of defective parts",
        ),
        (["--deploy", "cost", "--defects", "."], "needs --cost-miss, --cost-reject and"),
        (["--prevalence", "1"], "0<x<1"),
        (["--cost-miss", "0"], "x>0"),
        (["--alpha", "0"], "0<x<1"),
    ],
)
def test_options_that_do_not_go_together_are_a_usage_error(
    bundle: Bundle, good: Path, options: list[str], complaint: str
) -> None:
    assert complaint in refused(run(bundle.path, "--good", good, *options), status=2)


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
    assert again.manifest.thresholds.image == pytest.approx(of(98), abs=1e-6)
    assert set(again.calibration.seen) == set(digests)


def test_a_bundle_that_does_not_know_what_the_fit_saw_is_warned_of_unless_told(
    bundle: Bundle, good: Path, tmp_path: Path
) -> None:
    output = done(bundle.path, "--good", good)
    assert "warning: nothing says which pictures the training has seen" in output
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


def test_a_calibration_that_fails_to_write_changes_nothing(
    bundle: Bundle, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    DeployedThresholds(bundle, read_overrides(bundle.path)).change(
        image=0.125, pixel=None, reason=None
    )
    monkeypatch.setattr("service.bundles.writing.write_atomically", full_disk)
    assert "No space left" in refused(run(bundle.path, "--good", good))
    assert load_bundle(bundle.path).manifest == bundle.manifest
    assert (bundle.path / OVERRIDES).exists()


def test_a_bundle_that_cannot_be_changed_is_refused_before_any_work(
    bundle: Bundle, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda _, mode, **__: mode != os.W_OK)
    assert "cannot be written to" in refused(run(bundle.path, "--good", good))
    done(bundle.path, "--good", good, "--dry-run")


def test_overrides_that_cannot_be_understood_are_refused_before_any_work(
    bundle: Bundle, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(*_: object, **__: object) -> None:
        pytest.fail("a picture is scored")

    monkeypatch.setattr("export.bundling.recalibrate.measure_calibration", too_late)
    (bundle.path / OVERRIDES).write_text("{")
    assert "delete it to go back" in refused(run(bundle.path, "--good", good))


def test_a_picture_that_is_good_and_defective_is_refused(bundle: Bundle, good: Path) -> None:
    assert "among the good pictures too" in refused(
        run(bundle.path, "--good", good, "--defects", good)
    )


def test_copies_count_once(bundle: Bundle, good: Path, defects: Path) -> None:
    for folder in (good, defects):
        (folder / "copy.png").write_bytes((folder / "000.png").read_bytes())
    output = done(bundle.path, "--good", good, "--defects", defects)
    assert output.count("left out as copies of other pictures: 1") == 2
    assert "50 good pictures and 10 defective ones" in output


def test_an_engine_that_drifts_calibrates_nothing(
    bundle: Bundle, good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drifting(*_: Any) -> None:
        from service.errors import DriftError

        raise DriftError("it drifts")

    monkeypatch.setattr("export.bundling.recalibrate.check_golden", drifting)
    assert "it drifts" in refused(run(bundle.path, "--good", good))


def test_the_command_is_registered() -> None:
    from importlib.metadata import entry_points

    (found,) = entry_points(group="takt.commands", name="calibrate")
    assert isinstance(found.load(), click.Command)
