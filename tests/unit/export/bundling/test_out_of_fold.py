"""Exports of a checkpoint whose fit scored each picture without itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from takt.core.bundles.findings import SelfTest
from takt.core.bundles.manifest import Preprocess
from takt.core.errors import CalibrationError
from takt_export.bundling import tested
from takt_export.bundling.checkpoint_source import CheckpointSource
from takt_export.bundling.export_bundle import ExportOptions, export_bundle
from takt_export.bundling.roi import read_roi
from takt_export.bundling.summary import ExportReport
from takt_export.calibration.cross_conformal import TAIL_METHOD, joint_thresholds
from takt_export.calibration.grouping import Grouping
from takt_export.calibration.pictures_to_use import CalibrationPictures
from takt_export.calibration.self_test import self_test
from takt_export.calibration.subject import Subject
from takt_export.pictures import read_model_input
from takt_export.report.card import card
from takt_models.checkpoints.facts import Checkpoint, InputRecipe
from takt_models.checkpoints.good_cells import GoodCells
from takt_models.checkpoints.own import FitFacts, load_fitted, save_checkpoint
from takt_models.checkpoints.picture_digest import picture_digest
from takt_models.fit.device import Compute
from takt_models.fit.patchcore.encoders import PatchCoreEncoder
from takt_models.fit.patchcore.fit import fit_patchcore
from takt_models.fit.patchcore.options import PatchCoreOptions
from takt_models.patchcore.config import PatchCoreConfig
from takt_models.patchcore.detector import PatchCore
from tests.patchcore import a_patchcore

pytestmark = pytest.mark.torch

COUNT = 8
CONFIG = PatchCoreConfig(bank_sizes=(1, 1), width=64, height=32)
SPEC = Preprocess(width=64, height=32, resize="area")


@dataclass(frozen=True)
class Fit:
    good: tuple[Path, ...]
    checkpoint: Checkpoint


@pytest.fixture(scope="module")
def fit(tmp_path_factory: pytest.TempPathFactory, write_pictures: Callable[..., list[Path]]) -> Fit:
    folder = tmp_path_factory.mktemp("fit")
    good = tuple(write_pictures(folder / "good", COUNT))
    weights = a_patchcore(CONFIG).encoder.state_dict()
    fitted = fit_patchcore(
        (good,),
        lambda path: read_model_input(path, SPEC),
        PatchCoreEncoder("random", CONFIG, InputRecipe(64, 32, "area"), weights),
        PatchCoreOptions(bank_size=60),
        Compute.choose("cpu", bf16=False),
        quiet=True,
    )
    path = folder / "parts.safetensors"
    seen = tuple(map(picture_digest, fitted.seen))
    facts = FitFacts(fitted.model.config, seen, 1, 0)
    save_checkpoint(path, fitted.model, facts, fitted.out_of_fold)
    return Fit(good, load_fitted(path))


def export(
    source: CheckpointSource, good: Sequence[Path], out: Path, **options: Any
) -> ExportReport:
    told: list[str] = options.pop("told", [])
    return export_bundle(
        source, good, (), out, ExportOptions(**options), tell=told.append, quiet=True
    )


@pytest.fixture(scope="module")
def exported(fit: Fit, tmp_path_factory: pytest.TempPathFactory) -> ExportReport:
    out = tmp_path_factory.mktemp("repository") / "parts" / "1"
    return export(CheckpointSource(fit.checkpoint), fit.good, out)


def test_the_thresholds_come_from_the_pictures_that_the_fit_has_seen(
    fit: Fit, exported: ExportReport
) -> None:
    found = fit.checkpoint.out_of_fold
    assert found is not None
    scores = fit.checkpoint.model.score_of(found.maps.flatten(1)).numpy()
    peaks = found.maps.amax((1, 2)).numpy()
    thresholds = exported.bundle.manifest.thresholds
    assert (thresholds.method, thresholds.promise) == (TAIL_METHOD, "measured")
    assert thresholds.alpha is not None
    assert thresholds.alpha == pytest.approx(1 / (COUNT + 1), abs=0.001)
    assert thresholds.good_count == COUNT
    expected = joint_thresholds(scores, peaks, thresholds.alpha)
    assert (thresholds.image, thresholds.pixel) == (expected.image, expected.pixel)
    calibration = exported.bundle.calibration
    assert np.array_equal(calibration.good_score, scores)
    assert np.array_equal(calibration.good_peak, peaks)
    assert len(calibration.seen) == COUNT
    assert exported.bundle.manifest.map.low == float(found.maps.median())


def test_the_parts_that_the_fit_has_scored_are_named_in_the_order_of_their_scores(
    fit: Fit, exported: ExportReport, tmp_path: Path
) -> None:
    assert exported.bundle.calibration.parts.size == 0
    named = {}
    for number, path in enumerate(reversed(fit.good)):
        there = tmp_path / "top" / f"part{number}.png"
        there.parent.mkdir(exist_ok=True)
        there.write_bytes(path.read_bytes())
        named[picture_digest(path)] = str(number)
    found = fit.checkpoint.out_of_fold
    assert found is not None
    scored = [fit.checkpoint.seen[picture] for picture in found.pictures]
    # Of a picture that is not given, the id may be known from before.
    *given, missing = sorted(there.parent.iterdir())
    missing.unlink()
    former = {picture_digest(fit.good[0]): "before"}
    told: list[str] = []
    report = export(
        CheckpointSource(fit.checkpoint),
        given,
        tmp_path / "m" / "1",
        grouping=Grouping(re.compile(r"part(\d+)")),
        former_parts=former,
        told=told,
    )
    assert any("give it this --group" in line for line in told)
    expected = [named[one] if one not in former else "before" for one in scored]
    assert report.bundle.calibration.parts.tolist() == expected


def test_the_card_says_how_the_thresholds_were_found_and_proves_nothing(
    exported: ExportReport,
) -> None:
    written = card(exported.bundle.manifest)
    assert "| found by | exponential tail |" in written
    assert f"{COUNT} good pictures in {COUNT} folds" in written
    assert "proven | at most" not in written


def test_the_report_claims_no_proof(exported: ExportReport) -> None:
    assert "that is the aim" in exported.text()
    assert "Proven are" not in exported.text()


def test_other_pictures_only_serve_for_comparisons(
    fit: Fit, exported: ExportReport, write_pictures: Callable[..., list[Path]], tmp_path: Path
) -> None:
    others = write_pictures(tmp_path / "others", 2, seed=9)
    report = export(CheckpointSource(fit.checkpoint), others, tmp_path / "m" / "1")
    assert report.bundle.manifest.thresholds == exported.bundle.manifest.thresholds


def test_with_a_region_of_interest_the_scores_are_those_of_its_cells(
    fit: Fit, tmp_path: Path
) -> None:
    roi = tmp_path / "roi.json"
    roi.write_text('{"polygons": [[[0, 0], [0.5, 0], [0.5, 1], [0, 1]]]}')
    source = CheckpointSource(fit.checkpoint, read_roi(roi))
    report = export(source, fit.good, tmp_path / "m" / "1")
    found, inside = fit.checkpoint.out_of_fold, source.facts.inside
    assert found is not None and inside is not None and not inside.all()
    expected = fit.checkpoint.model.score_of(found.maps[:, inside]).numpy()
    assert np.array_equal(report.bundle.calibration.good_score, expected)


@pytest.mark.parametrize(
    "otherwise", [{"resize": "linear"}, {"depth": "12"}, {"orientation": "ignore"}]
)
def test_pictures_that_reach_the_model_otherwise_need_some_that_the_fit_has_not_seen(
    fit: Fit, tmp_path: Path, otherwise: dict[str, str]
) -> None:
    told: list[str] = []
    with pytest.raises(CalibrationError, match=f"has seen all {COUNT} good pictures"):
        export(
            CheckpointSource(fit.checkpoint),
            fit.good,
            tmp_path / "m" / "1",
            told=told,
            **otherwise,
        )
    assert any("own scores do not hold" in line for line in told)


def test_a_picture_that_nothing_alters_has_its_score_whatever_the_model_s_rule(
    fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PatchCore, "score_of", lambda _, values: values.topk(3).values.mean(1))
    scored = CheckpointSource(fit.checkpoint).facts.out_of_fold
    assert scored is not None
    unaltered = np.full(scored.cells.shape[1], -np.inf, np.float32)
    found = [scored.altered(digest, unaltered) for digest in scored.digests]
    assert found == [*zip(scored.score.tolist(), scored.peak.tolist(), strict=True)]


def test_the_self_test_takes_the_scores_of_pictures_without_themselves(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subjects: list[Subject] = []

    def seen(subject: Subject, pictures: CalibrationPictures, *, quiet: bool) -> SelfTest:
        subjects.append(subject)
        return self_test(subject, pictures, quiet=quiet)

    monkeypatch.setattr(tested, "self_test", seen)
    export(CheckpointSource(fit.checkpoint), fit.good, tmp_path / "m" / "1")
    found = fit.checkpoint.out_of_fold
    assert found is not None
    scores = fit.checkpoint.model.score_of(found.maps.flatten(1)).numpy()
    (subject,) = subjects
    assert np.array_equal(subject.good_score, scores)
    assert np.array_equal(subject.good_peak, found.maps.amax((1, 2)).numpy())


def test_pictures_that_are_not_given_again_have_the_names_that_the_fit_has_kept(
    fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Sequence[str | None]] = []
    monkeypatch.setattr(tested, "odd_pictures", lambda scores, names, *_: asked.append(names))
    found = fit.checkpoint.out_of_fold
    assert found is not None
    given = picture_digest(fit.good[0])
    digests = [fit.checkpoint.seen[picture] for picture in found.pictures]
    kept = ["" if number == 1 else f"former/{number}.png" for number in range(COUNT)]
    cells = torch.zeros(COUNT, 1, 1, 4, dtype=torch.int8)
    named = GoodCells(tuple(range(COUNT)), cells, names=tuple(kept))
    source = CheckpointSource(replace(fit.checkpoint, good_cells=named))
    export(source, fit.good[:1], tmp_path / "m" / "1")
    assert asked == [
        [
            "good/000.png" if digest == given else name or None
            for digest, name in zip(digests, kept, strict=True)
        ]
    ]


def test_the_served_model_answers_a_picture_that_it_has_not_seen_by_what_is_usual(
    fit: Fit,
    exported: ExportReport,
    write_pictures: Callable[..., list[Path]],
    tmp_path: Path,
) -> None:
    (unseen,) = write_pictures(tmp_path / "unseen", 1, seed=5)
    golden = CheckpointSource(fit.checkpoint).answer(read_model_input(unseen, SPEC)[None])
    low = fit.checkpoint.model.lowest
    assert low <= float(golden.anomaly_map.min())
    assert low < exported.bundle.manifest.map.low < exported.bundle.manifest.thresholds.pixel
