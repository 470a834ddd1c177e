from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from takt.core.bundles.bundle import CHECKPOINT, load_bundle
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.pictures.preprocess import preprocess as preprocess_picture
from takt_export.bundling.checkpoint_source import CheckpointSource
from takt_export.bundling.drift.compare import measure_drift
from takt_export.bundling.export_bundle import ExportOptions, export_bundle
from takt_export.bundling.provenance import picture_set
from takt_export.bundling.summary import ExportReport
from takt_export.calibration.grouping import BY_LOOKS, EACH_ITS_OWN
from takt_export.pictures import read_picture
from takt_models.checkpoints.facts import Checkpoint, InputRecipe, TrainedThresholds
from takt_models.checkpoints.picture_digest import picture_digest
from takt_models.efficientad.detector import EfficientAd
from tests.commands import repeated
from tests.unit.export.bundling.exporting import ALPHA, WritePictures, export

pytestmark = pytest.mark.torch


def graph_of(source: CheckpointSource, folder: Path) -> OnnxRuntimeEngine:
    source.write_graph(folder / "model.onnx", "uint8")
    return OnnxRuntimeEngine.open(folder / "model.onnx", threads=1)


@dataclass(frozen=True)
class Exported:
    report: ExportReport
    told: list[str]
    unseen: list[Path]
    defects: list[Path]


@pytest.fixture(scope="module")
def exported(
    thin_model: EfficientAd,
    write_pictures: WritePictures,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Exported]:
    """Two unseen good pictures, one that the fit saw, one defective, exported once."""
    folder = tmp_path_factory.mktemp("export")
    good = write_pictures(folder / "good", 3)
    defects = write_pictures(folder / "bad", 1, high=255)
    checkpoint = Checkpoint(
        thin_model,
        framework="takt",
        recipe=InputRecipe(256, 256, "area"),
        seen=(picture_digest(good[1]),),
        made_with={"torch": "2.0"},
    )
    told: list[str] = []
    report = export_bundle(
        CheckpointSource(checkpoint),
        good,
        defects,
        folder / "models" / "parts" / "1",
        ExportOptions(alpha=ALPHA),
        tell=told.append,
        quiet=True,
    )
    yield Exported(report, told, [good[0], good[2]], defects)


def test_pictures_that_the_fit_saw_are_left_out(exported: Exported) -> None:
    assert "calibrating on 2 pictures the training never saw; 1 seen ones left out" in exported.told
    assert exported.report.bundle.manifest.thresholds.good_count == 2


def test_the_bundle_says_which_pictures_it_comes_from(exported: Exported) -> None:
    origin = exported.report.bundle.manifest.provenance

    assert origin is not None and origin.defects is not None
    assert (origin.good.count, origin.calibrated_on) == (3, None)
    assert origin.defects == picture_set(exported.defects)


def test_the_bundle_loads_and_says_what_it_is(exported: Exported) -> None:
    bundle = load_bundle(exported.report.bundle.path)
    manifest = bundle.manifest
    assert (manifest.name, manifest.version) == ("parts", "1")
    assert (manifest.family, manifest.variant, manifest.framework) == (
        "efficientad",
        "small",
        "takt",
    )
    assert manifest.preprocess.input_size == (256, 256)
    assert manifest.made_with["fit:torch"] == "2.0"
    assert manifest.made_with["torch"] == torch.__version__


def test_the_thresholds_are_the_engine_s_scores_of_unseen_good_pictures(
    exported: Exported,
) -> None:
    bundle = exported.report.bundle
    good_score, thresholds = bundle.calibration.good_score, bundle.manifest.thresholds
    assert good_score.shape == (2,)
    assert good_score[0] != good_score[1]
    assert thresholds.image == good_score.max()  # ⌈3 · 0.6⌉ = 2
    assert thresholds.pixel == bundle.calibration.good_peak.max()
    assert (thresholds.alpha, thresholds.method) == (ALPHA, "split conformal")
    engine = OnnxRuntimeEngine.open(bundle.model_path)
    served = engine.infer(bundle.golden.images)
    engine.close()
    np.testing.assert_allclose(served.score[:2], good_score, rtol=0, atol=1e-6)
    assert bundle.manifest.map.low == pytest.approx(np.median(served.anomaly_map[:2]), abs=0.02)


def test_the_bundle_knows_which_pictures_the_fit_saw(exported: Exported) -> None:
    seen = load_bundle(exported.report.bundle.path).calibration.seen
    (of_fit,) = {*exported.unseen[0].parent.iterdir()} - {*exported.unseen}
    assert seen.tolist() == [picture_digest(of_fit)]


def test_without_an_alpha_the_pictures_say_which_is_the_smallest(
    thin_checkpoint: Checkpoint, write_pictures: WritePictures, tmp_path: Path
) -> None:
    told: list[str] = []
    good = write_pictures(tmp_path / "good", 2)
    out = tmp_path / "models" / "parts" / "1"
    report = export(CheckpointSource(thin_checkpoint), good, out, tell=told.append)
    thresholds = report.bundle.manifest.thresholds
    assert thresholds.alpha == 0.334
    assert thresholds.image == report.bundle.calibration.good_score.max()
    note = "alpha is 0.334, the smallest that 2 good pictures allow; 0.01 needs 99"
    assert thresholds.notes == (note,)
    assert f"note        {note}" in report.text()
    assert repeated("\n".join((*told, report.text()))) == []


def test_a_file_of_a_fit_that_is_too_large_to_be_kept_is_told_of(
    thin_checkpoint: Checkpoint,
    write_pictures: WritePictures,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("takt_export.bundling.export_bundle.CHECKPOINT_BYTES", 1 << 20)
    told: list[str] = []
    good = write_pictures(tmp_path / "good", 2)
    file = tmp_path / "fit.safetensors"
    file.write_bytes(bytes((1 << 20) + 1))
    report = export(
        CheckpointSource(thin_checkpoint),
        good,
        tmp_path / "models" / "parts" / "1",
        tell=told.append,
        checkpoint=file,
    )
    assert CHECKPOINT not in report.bundle.manifest.files
    (warning,) = (one for one in told if "can be neither updated nor taught" in one)
    assert warning.startswith("warning: the file of the fit has 1 MiB")


def test_the_golden_answers_are_torch_s_with_a_defective_picture_last(
    exported: Exported, thin_model: EfficientAd
) -> None:
    golden = exported.report.bundle.golden
    assert golden.images.shape == (3, 256, 256, 3)
    with torch.inference_mode():
        anomaly_map, score = thin_model(
            torch.from_numpy(golden.images).permute(0, 3, 1, 2).float() / 255
        )
    assert np.array_equal(golden.anomaly_map, anomaly_map.numpy())
    assert np.array_equal(golden.score, score.numpy())
    assert exported.report.bundle.calibration.defect_score == pytest.approx(golden.score[2:])


def test_the_drift_is_measured_on_every_picture_at_hand(exported: Exported) -> None:
    drift = exported.report.bundle.manifest.drift
    assert drift.pictures == 4
    assert 0 < drift.anomaly_map < 1e-5
    assert drift.score < 1e-5


def test_the_report_says_size_drift_thresholds_and_guarantee(exported: Exported) -> None:
    text = exported.report.text()
    threshold = exported.report.bundle.manifest.thresholds.image
    assert re.search(r"graph +2\.\d MB", text)
    assert f"score {threshold:.6g}" in text
    assert "Proven are at most 40 % by score, and at most 40 % by a region" in text
    assert re.search(r"defects +[01] of 1 are anomalous", text)


def test_a_checkpoint_that_does_not_say_what_it_saw_is_told_of_once(
    thin_checkpoint: Checkpoint, write_pictures: WritePictures, tmp_path: Path
) -> None:
    told: list[str] = []
    silent = CheckpointSource(dataclasses.replace(thin_checkpoint, seen=()))
    good = write_pictures(tmp_path / "good", 2)
    out = tmp_path / "models" / "parts" / "1"
    text = export(silent, good, out, alpha=ALPHA, tell=told.append).text()
    assert re.search("note +nothing says which pictures.*--fitted-on", text)
    assert repeated("\n".join((*told, text))) == []


def test_pictures_that_repeat_others_are_told_of_once(
    thin_checkpoint: Checkpoint, write_pictures: WritePictures, tmp_path: Path
) -> None:
    told: list[str] = []
    good = write_pictures(tmp_path / "good", 3)
    twins = [*good, good[0].with_name("twin.png")]
    twins[-1].write_bytes(cv2.imencode(".png", cv2.imread(str(good[0])) | 1)[1].tobytes())
    out = tmp_path / "models" / "parts" / "1"
    report = export(
        CheckpointSource(thin_checkpoint), twins, out, alpha=ALPHA, grouping=BY_LOOKS,
        tell=told.append,
    )  # fmt: skip
    assert report.bundle.manifest.self_test.says("duplicate_pictures")
    assert "duplicate_pictures: 1 of 4 good pictures repeats others" in report.text()
    assert "each of which counts once" not in report.text()
    assert repeated("\n".join((*told, report.text()))) == []
    assert [line for line in told if "4 good pictures" in line] == []


def test_the_thresholds_of_the_training_are_kept_on_demand_and_recorded_anyway(
    thin_checkpoint: Checkpoint, write_pictures: WritePictures, tmp_path: Path
) -> None:
    trained = dataclasses.replace(thin_checkpoint, thresholds=TrainedThresholds(1.25, 1.5))
    source, good = CheckpointSource(trained), write_pictures(tmp_path / "good", 2)
    kept = export(source, good, tmp_path / "models" / "parts" / "1", keep_thresholds=True)
    manifest = kept.bundle.manifest
    assert (manifest.thresholds.image, manifest.thresholds.pixel) == (1.25, 1.5)
    assert (manifest.thresholds.alpha, manifest.thresholds.good_count) == (None, 0)
    assert "kept from the training (takt)" in kept.text()
    known = kept.bundle.calibration
    rejected = int(((known.good_score > 1.25) | (known.good_peak > 1.5)).sum())
    assert f"none: of the 2 good pictures, {rejected} are called anomalous" in kept.text()

    own = export(source, good, tmp_path / "models" / "parts" / "2", alpha=ALPHA)
    assert own.bundle.manifest.thresholds.method == "split conformal"
    assert own.bundle.manifest.trained_thresholds is not None
    assert own.bundle.manifest.trained_thresholds.pixel == 1.5


def test_another_resize_filter_is_recorded_with_what_it_changes(
    thin_checkpoint: Checkpoint, write_pictures: WritePictures, tmp_path: Path
) -> None:
    recipe = InputRecipe(256, 256, "pillow_bilinear")
    source = CheckpointSource(dataclasses.replace(thin_checkpoint, recipe=recipe))
    good = write_pictures(tmp_path / "good", 2, size=(700, 500))
    report = export(source, good, tmp_path / "models" / "parts" / "1", alpha=ALPHA, resize="linear")
    preprocess = report.bundle.manifest.preprocess
    cost = preprocess.drift
    assert preprocess.resize == "linear"
    assert cost is not None
    assert (cost.trained_with, cost.pictures) == ("pillow_bilinear", 2)

    images = [read_picture(path) for path in good]
    trained = preprocess.model_copy(update={"resize": "pillow_bilinear"})
    ours = np.stack([preprocess_picture(image, preprocess) for image in images])
    theirs = np.stack([preprocess_picture(image, trained) for image in images])
    assert cost.grey_levels == np.abs(ours.astype(int) - theirs).max() > 1
    of_ours, of_theirs = source.answer(ours), source.answer(theirs)
    assert cost.score == pytest.approx(np.abs(of_ours.score - of_theirs.score).max(), abs=1e-5)
    of_map = np.abs(of_ours.anomaly_map - of_theirs.anomaly_map).max()
    assert cost.anomaly_map == pytest.approx(of_map, abs=1e-5)
    assert np.array_equal(report.bundle.golden.images, ours)
    assert "linear instead of pillow_bilinear changes the score by up to" in report.text()


def test_the_filter_of_the_training_has_no_cost_to_record(
    thin_checkpoint: Checkpoint, write_pictures: WritePictures, tmp_path: Path
) -> None:
    good = write_pictures(tmp_path / "good", 2)
    out = tmp_path / "models" / "parts" / "1"
    report = export(CheckpointSource(thin_checkpoint), good, out, alpha=ALPHA, resize="area")
    assert report.bundle.manifest.preprocess.drift is None


def test_good_pictures_that_all_score_the_same_are_warned_of(
    thin_model: EfficientAd, write_pictures: WritePictures, tmp_path: Path
) -> None:
    told: list[str] = []
    checkpoint = Checkpoint(thin_model, framework="takt", recipe=InputRecipe(256, 256, "area"))
    black = write_pictures(tmp_path / "good", 1, high=1)[0]
    twin = black.with_name("twin.bmp")
    cv2.imwrite(str(twin), cv2.imread(str(black)))
    out = tmp_path / "models" / "parts" / "1"
    source = CheckpointSource(checkpoint)
    export(source, [black, twin], out, alpha=ALPHA, grouping=EACH_ITS_OWN, tell=told.append)
    assert any("all 2 good pictures score" in line for line in told)


def test_the_whole_way_from_a_picture_s_file_is_compared_with_the_training_s(
    exported: Exported,
) -> None:
    drift = exported.report.bundle.manifest.drift
    assert drift.from_file is not None
    assert drift.from_file.score == drift.score <= 1e-5
    assert f"score {drift.score:.2g}, map" in exported.report.text()
    assert "from the picture's file on; of these score" in exported.report.text()


def test_what_rounding_to_8_bits_changes_is_in_the_drift_from_the_file(
    thin_model: EfficientAd, write_pictures: WritePictures, tmp_path: Path
) -> None:
    recipe = InputRecipe(256, 256, "tensor_bilinear")
    checkpoint = Checkpoint(thin_model, framework="anomalib", recipe=recipe)
    source = CheckpointSource(checkpoint)
    rounded = source.facts.preprocess.model_copy(update={"input": "uint8"})
    with closing(graph_of(source, tmp_path)) as engine:
        compared = measure_drift(
            source, source.facts, rounded, engine, write_pictures(tmp_path / "good", 1), quiet=True
        )
    drift = compared.drift
    assert drift.from_file is not None
    assert drift.anomaly_map < 1e-5 < drift.from_file.anomaly_map


def test_the_tolerance_is_twenty_times_the_drift(exported: Exported) -> None:
    manifest = exported.report.bundle.manifest
    found = max(manifest.drift.score, manifest.drift.anomaly_map)
    assert manifest.tolerance == pytest.approx(max(20 * found, 1e-5))


def test_what_sets_a_bundle_apart_from_its_training_is_noted(
    thin_checkpoint: Checkpoint, write_pictures: WritePictures, tmp_path: Path
) -> None:
    good = write_pictures(tmp_path / "good", 2)
    changed = dataclasses.replace(
        thin_checkpoint, seen=(), assumptions=("a size",), notes=("another map",)
    )
    report = export(CheckpointSource(changed), good, tmp_path / "m" / "parts" / "1", alpha=ALPHA)
    manifest = report.bundle.manifest
    assert manifest.notes == ("assumed: a size", "another map")
    (note,) = manifest.thresholds.notes
    assert "which pictures the training has seen" in note
    assert "note        another map" in report.text()
    assert "if the training has seen none of them" in report.text()
