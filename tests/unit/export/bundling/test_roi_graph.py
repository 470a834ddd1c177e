"""The region of interest as a constant of the graph: nothing outside counts, on no engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from takt.core.bundles.bundle import load_bundle
from takt.core.bundles.region import ROI_MASK
from takt.core.engines.base import EngineOutput
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.errors import CalibrationError
from takt.core.pictures.roi import RoiShape, roi_on_map
from takt_export.bundling.checkpoint_source import CheckpointSource
from takt_export.bundling.export_bundle import ExportOptions, export_bundle
from takt_export.bundling.graph import ImagesToAnswer, write_graph
from takt_export.bundling.roi import read_roi
from takt_export.bundling.summary import ExportReport
from takt_export.pictures import read_model_input
from takt_export.wording import roi_text
from takt_models.checkpoints.facts import Checkpoint, InputRecipe, TrainedThresholds
from takt_models.detector import Detector
from takt_models.dinomaly.config import DinomalyConfig
from takt_models.dinomaly.detector import Dinomaly
from takt_models.efficientad.config import EfficientAdConfig
from takt_models.efficientad.detector import Differences, EfficientAd
from takt_models.inpformer.detector import InpFormer
from tests.inpformer import WHOLE

pytestmark = pytest.mark.torch

WritePictures = Callable[..., list[Path]]
Images = NDArray[np.uint8]

SIDE, CELLS = 64, 32


class Brightness(Detector):
    """Each cell looks at its own pixels alone; the score is INP-Former's."""

    family = "brightness"
    variant = "plain"
    input_size = (SIDE, SIDE)
    map_size = (CELLS, CELLS)
    lowest = -0.5

    def score_of(self, values: Tensor) -> Tensor:
        return values.topk(max(1, values.shape[1] // 100), dim=1).values.mean(1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        anomaly_map = functional.avg_pool2d(images, SIDE // CELLS).mean(1) - 0.5
        return anomaly_map, self.score_of(anomaly_map.flatten(1))


def some_inside() -> NDArray[np.bool_]:
    rows, columns = np.mgrid[:CELLS, :CELLS]
    inside: NDArray[np.bool_] = np.hypot(rows - 14, columns - 17) < 9
    return inside


def noise(count: int, side: int = SIDE) -> Images:
    return np.random.default_rng(5).integers(40, 200, (count, side, side, 3), dtype=np.uint8)


def answer(path: Path, images: Images) -> EngineOutput:
    engine = OnnxRuntimeEngine.open(path, threads=1)
    try:
        return engine.infer(images)
    finally:
        engine.close()


@dataclass(frozen=True)
class Masked:
    path: Path
    inside: NDArray[np.bool_]


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Masked:
    path = tmp_path_factory.mktemp("masked") / "model.onnx"
    write_graph(Brightness(), path, some_inside())
    return Masked(path, some_inside())


def test_a_defect_outside_changes_no_bit_and_one_inside_does(masked: Masked) -> None:
    images = noise(1)
    clean = answer(masked.path, images)
    pixels = masked.inside.repeat(2, axis=0).repeat(2, axis=1)
    for level in (0, 255):
        outside = images.copy()
        outside[0][~pixels] = level
        found = answer(masked.path, outside)
        assert found.score.tobytes() == clean.score.tobytes()
        assert found.anomaly_map.tobytes() == clean.anomaly_map.tobytes()
    within = images.copy()
    within[0, 26:36, 32:42] = 255
    assert answer(masked.path, within).score[0] > clean.score[0] + 0.1


def test_outside_the_map_holds_its_lowest_value(masked: Masked) -> None:
    found = answer(masked.path, noise(2))
    assert (found.anomaly_map[:, ~masked.inside] == np.float32(-0.5)).all()
    assert (found.anomaly_map[:, masked.inside] > -0.5).all()


def test_the_graph_answers_as_torch_does(masked: Masked) -> None:
    images = noise(2)
    found = answer(masked.path, images)
    with torch.inference_mode():
        anomaly_map, score = ImagesToAnswer(Brightness(), masked.inside)(torch.from_numpy(images))
    np.testing.assert_allclose(found.anomaly_map, anomaly_map.numpy(), rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.score, score.numpy(), rtol=0, atol=1e-6)


def test_the_score_is_the_family_s_of_the_values_inside(masked: Masked) -> None:
    found = answer(masked.path, noise(3))
    count = masked.inside.sum() // 100
    assert count >= 2
    highest = np.sort(found.anomaly_map[:, masked.inside], axis=1)[:, -count:]
    np.testing.assert_allclose(found.score, highest.mean(axis=1), rtol=0, atol=1e-6)


def test_a_batch_answers_like_its_pictures_alone(masked: Masked) -> None:
    images = noise(5)
    together = answer(masked.path, images)
    for index in range(5):
        alone = answer(masked.path, images[[index]])
        np.testing.assert_allclose(together.score[[index]], alone.score, rtol=0, atol=1e-6)
        np.testing.assert_array_equal(together.anomaly_map[[index]], alone.anomaly_map)


def test_without_a_region_of_interest_the_graph_has_no_node_for_it(
    masked: Masked, tmp_path: Path
) -> None:
    write_graph(Brightness(), tmp_path / "model.onnx")
    plain, with_roi = onnx.load(tmp_path / "model.onnx").graph, onnx.load(masked.path).graph
    of_mask = {"Where", "Gather"}
    assert of_mask <= {node.op_type for node in with_roi.node}
    assert of_mask.isdisjoint(node.op_type for node in plain.node)
    names = {stored.name for stored in with_roi.initializer}
    assert {"inside", "lowest"} <= names
    assert {"inside", "lowest"}.isdisjoint(stored.name for stored in plain.initializer)


@pytest.mark.parametrize("family", ["efficientad", "nelson1425", "inpformer"])
def test_each_family_scores_what_counts_alone(family: str, thin_model: EfficientAd) -> None:
    model = thin(family, thin_model)
    rows, columns = model.map_size
    inside = np.zeros((rows, columns), bool)
    inside[rows // 4 : rows // 2, columns // 3 :] = True
    with torch.inference_mode():
        pixels = torch.from_numpy(noise(2, model.input_size[0]))
        anomaly_map, score = ImagesToAnswer(model, inside).eval()(pixels)
        whole, _ = ImagesToAnswer(model).eval()(pixels)
    values = whole.numpy()[:, inside]
    assert (anomaly_map.numpy()[:, inside] == values).all()
    assert model.lowest <= float(whole.min())
    assert (anomaly_map.numpy()[:, ~inside] == np.float32(model.lowest)).all()
    count = max(1, values.shape[1] // 100) if family == "inpformer" else 1
    expected = np.sort(values, axis=1)[:, -count:].mean(axis=1)
    np.testing.assert_allclose(score.numpy(), expected, rtol=0, atol=1e-6)


def test_a_score_of_another_map_than_the_shown_one_is_of_the_same_region() -> None:
    config = DinomalyConfig(
        32, 2, target_blocks=(0, 1), encoder_groups=((0,),), decoder_groups=((0,),), width=84,
        height=70, recipe="anomalib",
    )  # fmt: skip
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(0)
        model = Dinomaly(config).eval()
        pixels = torch.from_numpy(noise(2, 84)[:, :70])
        whole = ImagesToAnswer(model)(pixels)
        everything = ImagesToAnswer(model, np.ones((70, 84), bool))(pixels)
        upper = np.zeros((70, 84), bool)
        upper[:35] = True
        region = ImagesToAnswer(model, upper)(pixels)
        smoothed = model.scored(whole[0])
    for found, expected in zip(everything, whole, strict=True):
        torch.testing.assert_close(found, expected)
    highest = smoothed[:, :128].flatten(1).topk(int(128 * 256 * 0.01)).values.mean(1)
    torch.testing.assert_close(region[1], highest)
    assert torch.equal(region[0][:, :35], whole[0][:, :35])
    assert not region[0][:, 35:].any()


def thin(family: str, thin_model: EfficientAd) -> Detector:
    if family == "efficientad":
        return thin_model
    if family == "nelson1425":
        model = EfficientAd(EfficientAdConfig(recipe="nelson1425"))
        model.load_state_dict(EfficientAd(EfficientAdConfig()).state_dict())
        model.teacher, model.student = thin_model.teacher, thin_model.student
        model.quantiles.copy_(thin_model.quantiles)
        return model.eval()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return InpFormer(WHOLE).eval()


def test_no_map_of_efficientad_is_lower_than_its_lowest(thin_model: EfficientAd) -> None:
    nothing = torch.zeros(1, 1, 56, 56)
    lowest = thin_model.combine(Differences(nothing, nothing))
    assert thin_model.lowest == float(lowest.min()) < 0


@dataclass(frozen=True)
class Exported:
    report: ExportReport
    whole: ExportReport
    good: list[Path]


def export(
    shape: RoiShape | None, good: list[Path], out: Path, **options: bool | float
) -> ExportReport:
    checkpoint = Checkpoint(
        Brightness().eval(),
        framework="takt",
        recipe=InputRecipe(SIDE, SIDE, "area"),
        thresholds=TrainedThresholds(0.1, 0.1),
    )
    return export_bundle(
        CheckpointSource(checkpoint, shape),
        good,
        [],
        out,
        ExportOptions(alpha=0.3, threads=1, **options),  # type: ignore[arg-type]
        tell=lambda line: None,
        quiet=True,
    )


@pytest.fixture(scope="module")
def exported(
    write_pictures: WritePictures, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Exported]:
    folder = tmp_path_factory.mktemp("export")
    good = write_pictures(folder / "good", 4)
    (folder / "roi.json").write_text(
        json.dumps({"polygons": [[[0.5, 0], [1, 0], [1, 0.5], [0.5, 0.5]]]})
    )
    yield Exported(
        export(read_roi(folder / "roi.json"), good, folder / "models" / "parts" / "1"),
        export(None, good, folder / "models" / "parts" / "2"),
        good,
    )


def test_the_bundle_says_what_counts(exported: Exported) -> None:
    bundle = load_bundle(exported.report.bundle.path)
    roi = bundle.manifest.roi
    assert roi is not None
    assert roi.polygons == (((0.5, 0), (1, 0), (1, 0.5), (0.5, 0.5)),)
    assert (roi.share, roi.outside, roi.mask) == (0.25, -0.5, None)
    assert exported.whole.bundle.manifest.roi is None
    line = "25.0% of the picture counts: a polygon"
    assert roi_text(bundle.manifest) == line
    assert f"roi         {line}" in exported.report.text()
    assert "roi " not in exported.whole.text()


def test_thresholds_and_colours_rest_on_what_counts(exported: Exported) -> None:
    bundle = exported.report.bundle
    inside = roi_on_map(bundle)
    assert inside is not None
    with torch.inference_mode():
        images = [read_model_input(path, bundle.manifest.preprocess) for path in exported.good]
        maps, _ = ImagesToAnswer(Brightness())(torch.from_numpy(np.stack(images)))
    counted = maps.numpy()[:, inside]
    assert counted.shape == (4, 256)
    np.testing.assert_allclose(bundle.calibration.good_peak, counted.max(axis=1), atol=1e-6)
    assert bundle.manifest.thresholds.pixel == bundle.calibration.good_peak.max()
    assert bundle.manifest.map.low == pytest.approx(np.median(counted[:, ::16]), abs=1e-6)
    whole = exported.whole.bundle
    assert whole.manifest.thresholds != bundle.manifest.thresholds
    assert whole.manifest.map.low == pytest.approx(np.median(maps[:, ::4, ::4]), abs=1e-6)


def test_the_golden_answers_leave_out_what_does_not_count(exported: Exported) -> None:
    golden = exported.report.bundle.golden
    inside = roi_on_map(exported.report.bundle)
    assert inside is not None
    assert (golden.anomaly_map[:, ~inside] == -0.5).all()
    assert exported.report.bundle.manifest.drift.anomaly_map < 1e-5


def test_a_mask_picture_is_kept_in_the_bundle_and_answers_as_its_polygon(
    exported: Exported, tmp_path: Path
) -> None:
    mask = np.zeros((40, 60), bool)
    mask[:20, 30:] = True
    report = export(RoiShape(mask=mask), exported.good, tmp_path / "parts" / "1")
    bundle = load_bundle(report.bundle.path)
    roi = bundle.manifest.roi
    assert roi is not None
    assert (roi.mask, roi.share) == (ROI_MASK, 0.25)
    assert ROI_MASK in bundle.manifest.files
    assert "25.0% of the picture counts: a mask picture" in report.text()
    np.testing.assert_array_equal(roi_on_map(bundle), roi_on_map(exported.report.bundle))
    of_polygon = exported.report.bundle
    assert bundle.manifest.thresholds == of_polygon.manifest.thresholds
    assert bundle.model_path.read_bytes() == of_polygon.model_path.read_bytes()


def test_the_training_s_thresholds_belong_to_the_whole_map(
    exported: Exported, tmp_path: Path
) -> None:
    assert exported.report.bundle.manifest.trained_thresholds is None
    assert exported.whole.bundle.manifest.trained_thresholds is not None
    shape = RoiShape(exclude=(((0, 0), (0.5, 0), (0.5, 1)),))
    with pytest.raises(CalibrationError, match="--roi leave them behind"):
        export(shape, exported.good, tmp_path / "parts" / "1", keep_thresholds=True)
