from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from takt.core.bundles.bundle import load_bundle
from takt.core.bundles.manifest import CheckpointThresholds
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt_export.bundling.export_bundle import ExportOptions, export_bundle
from takt_export.errors import ExportError
from takt_export.evaluation.inspectors import LocalInspector
from takt_export.imported.preprocessing import InputOptions, PictureSize
from takt_export.imported.source import ImportOptions, open_source, plain_name
from takt_export.pictures import read_model_input
from tests.unit.export.imported.small import import_small, open_quietly, small

pytestmark = pytest.mark.torch

WritePictures = Callable[..., list[Path]]

SIDE, MAP = 64, 32
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Gaussian(nn.Module):
    """In the manner of PaDiM and of anomalib 2's exports: a Gaussian for each place."""

    def __init__(self, size: int | None) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.backbone = nn.Sequential(
                nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 3, 2, 1)
            )
            cells = SIDE // 4
            self.register_buffer("mean", torch.randn(6, cells, cells) / 10)
            root = torch.randn(cells, cells, 6, 6)
            self.register_buffer("inverse", root @ root.mT / 6 + torch.eye(6) / 10)
        self.size = size
        self.register_buffer("picture_mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("picture_std", torch.tensor(STD)[:, None, None])

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        if self.size is not None:
            picture = functional.interpolate(picture, (self.size, self.size), mode="bilinear")
        away = self.backbone((picture - self.picture_mean) / self.picture_std) - self.mean
        away = away.permute(0, 2, 3, 1)[..., None, :]
        distance = (away @ self.inverse @ away.transpose(-1, -2))[..., 0, 0].clamp(min=0).sqrt()
        grown = functional.interpolate(distance[:, None], (MAP, MAP), mode="bilinear")
        raw = (grown - 1.1) / 0.6 + 0.5
        anomaly_map, score = raw.clamp(0, 1), raw.amax((-2, -1)).clamp(0, 1)
        return score, score > 0.5, anomaly_map, anomaly_map > 0.5


NAMES = ["pred_score", "pred_label", "anomaly_map", "pred_mask"]


def write_gaussian(path: Path, *, size: int | None, dynamo: bool) -> Gaussian:
    model = Gaussian(size).eval()
    axes = {0: "batch"} if size is None else {0: "batch", 2: "height", 3: "width"}
    options: dict[str, Any] = (
        {"dynamic_shapes": ({0: torch.export.Dim("batch")},)}
        if dynamo
        else {"dynamic_axes": {"input": axes}, "opset_version": 14}
    )
    with warnings.catch_warnings():
        # torch warns of its own older exporter, and of its own parts in the newer one.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, (torch.zeros(2, 3, SIDE, SIDE),), path, dynamo=dynamo, input_names=["input"],
            output_names=NAMES, verbose=False, **options,
        )  # fmt: skip
    return model


@pytest.fixture(scope="module")
def gaussian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of the older exporter with a resize inside, as anomalib's are by default."""
    path = tmp_path_factory.mktemp("gaussian") / "PaDiM of line 3.onnx"
    write_gaussian(path, size=SIDE, dynamo=False)
    return path


def torch_answer(model: Gaussian, path: Path, size: int = SIDE) -> tuple[Tensor, Tensor]:
    """From the file to the answer without any of the code under test, as anomalib does it."""
    pixels = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None]
    with torch.inference_mode():
        resized = functional.interpolate(
            pixels / 255, (size, size), mode="bilinear", antialias=True
        )
        score, _, anomaly_map, _ = model(resized)
    return anomaly_map[0, 0], score[0, 0]


@pytest.mark.parametrize("dynamo", [False, True])
def test_a_bundle_answers_like_the_torch_model_behind_the_graph(
    good: list[Path], tmp_path: Path, dynamo: bool
) -> None:
    file = tmp_path / "model.onnx"
    model = write_gaussian(file, size=None if dynamo else SIDE, dynamo=dynamo)
    source, told = open_quietly(file, good)
    assert [line for line in told if line.startswith("warning")] == []
    out = tmp_path / "models" / "parts" / "1"
    report = export_bundle(
        source, good, [], out, ExportOptions(alpha=0.3), tell=told.append, quiet=True
    )
    bundle = load_bundle(out)
    manifest = bundle.manifest
    assert (manifest.family, manifest.variant, manifest.framework) == (
        "imported", "model", "anomalib"
    )  # fmt: skip
    assert manifest.reference == "onnx"
    assert (manifest.map.width, manifest.map.height, manifest.max_batch_size) == (MAP, MAP, None)
    assert manifest.drift.score < 1e-5
    assert manifest.trained_thresholds == CheckpointThresholds(image=0.5, pixel=0.5)
    assert manifest.made_with["fit:pytorch"].startswith(torch.__version__.split("+")[0])
    assert report.graph.size_bytes == bundle.model_path.stat().st_size
    assert str(Path(torch.__file__).parent).encode() not in bundle.model_path.read_bytes()
    with LocalInspector(bundle, threads=1) as inspector:
        for picture in good:
            anomaly_map, score = torch_answer(model, picture)
            answer = inspector.inspect(picture.read_bytes())
            assert answer.score == pytest.approx(float(score), abs=1e-5)
            np.testing.assert_allclose(answer.anomaly_map, anomaly_map, rtol=0, atol=1e-5)
            assert float(anomaly_map.std()) > 0.01
    engine = OnnxRuntimeEngine.open(bundle.model_path, threads=1)
    images = np.stack([read_model_input(picture, manifest.preprocess) for picture in good])
    together = engine.infer(images)
    engine.close()
    alone = source.answer(images)
    np.testing.assert_allclose(together.score, alone.score, rtol=0, atol=1e-5)
    np.testing.assert_allclose(together.anomaly_map, alone.anomaly_map, rtol=0, atol=1e-5)


def test_what_is_found_is_told(gaussian: Path, good: list[Path]) -> None:
    _, told = open_quietly(gaussian, good)
    assert told == [
        "the graph normalises by itself (mean 0.485, 0.456, 0.406; std 0.229, 0.224, 0.225), so it "
        "gets pictures from 0 to 1",
        "the graph resizes its pictures to 64x64 pixels, so they reach it at that size",
        "input input: 64x64, NCHW, float32, RGB; map anomaly_map of 32x32, score pred_score",
        "the graph cuts its answers off at limits, beyond which nothing is told apart; "
        "--before-cut takes them as they are before that",
    ]


def test_answers_are_taken_before_the_graph_cuts_them_off(
    gaussian: Path, write_pictures: WritePictures, tmp_path: Path
) -> None:
    bright = write_pictures(tmp_path / "bright", 2, high=255)
    cut, _ = open_quietly(gaussian, bright)
    uncut, _ = open_quietly(gaussian, bright, before_cut=True)
    images = np.stack([read_model_input(path, uncut.facts.preprocess) for path in bright])
    below, whole = cut.answer(images), uncut.answer(images)
    assert whole.score.max() > 1
    assert whole.anomaly_map.min() < 0
    np.testing.assert_array_equal(below.score, whole.score.clip(0, 1))
    np.testing.assert_array_equal(below.anomaly_map, whole.anomaly_map.clip(0, 1))
    uncut.write_graph(tmp_path / "uncut.onnx", "float32")
    engine = OnnxRuntimeEngine.open(tmp_path / "uncut.onnx", threads=1)
    np.testing.assert_allclose(engine.infer(images).score, whole.score, rtol=0, atol=1e-5)
    engine.close()
    assert uncut.facts.trained_thresholds == CheckpointThresholds(image=0.5, pixel=0.5)


def test_names_come_from_the_owner_or_the_file(gaussian: Path, good: list[Path]) -> None:
    source, _ = open_quietly(gaussian, good)
    assert (source.facts.family, source.facts.variant) == ("imported", "PaDiM-of-line-3")
    source, _ = open_quietly(gaussian, good, family="padim", variant="resnet18")
    assert (source.facts.family, source.facts.variant) == ("padim", "resnet18")
    assert plain_name("übung 1 (neu)") == "bung-1-neu"
    assert plain_name("模型") == "onnx"


def test_thresholds_beside_the_graph_are_anomalib_s(good: list[Path], tmp_path: Path) -> None:
    onnx.save(small(), tmp_path / "m.onnx")
    source, _ = open_quietly(tmp_path / "m.onnx", good, pictures=InputOptions(white=1))
    assert (source.facts.framework, source.facts.trained_thresholds) == ("onnx", None)
    facts = {"image_threshold": 12.5, "pixel_threshold": 11}
    (tmp_path / "metadata.json").write_text(json.dumps(facts))
    source, _ = open_quietly(tmp_path / "m.onnx", good, pictures=InputOptions(white=1))
    assert source.facts.framework == "anomalib"
    assert source.facts.trained_thresholds == CheckpointThresholds(image=12.5, pixel=11)


@pytest.mark.parametrize("left_out", ["score_output", "map_output"])
def test_thresholds_beside_the_graph_are_none_of_what_stands_for_an_answer_that_is_left_out(
    good: list[Path], tmp_path: Path, left_out: str
) -> None:
    onnx.save(small(), tmp_path / "m.onnx")
    facts = {"image_threshold": 12.5, "pixel_threshold": 11}
    (tmp_path / "metadata.json").write_text(json.dumps(facts))
    options: dict[str, Any] = {"pictures": InputOptions(white=1), left_out: "none"}
    source, _ = open_quietly(tmp_path / "m.onnx", good, **options)
    assert source.facts.trained_thresholds is None


def test_pictures_of_the_training_are_remembered(good: list[Path], tmp_path: Path) -> None:
    onnx.save(small(), tmp_path / "m.onnx")
    options = ImportOptions(pictures=InputOptions(white=1))
    source = open_source(tmp_path / "m.onnx", good, options, seen=good[:1], tell=print)
    with pytest.raises(Exception, match="has seen all 1 good pictures"):
        export_bundle(
            source, good[:1], [], tmp_path / "m" / "1", ExportOptions(), tell=print, quiet=True
        )


@pytest.mark.parametrize("chosen", [True, False])
def test_a_cut_behind_a_choice_that_is_always_the_same_is_found(
    good: list[Path], chosen: bool
) -> None:
    body = """
    map = Conv(x, kernel) p = GlobalMaxPool(map) s = Reshape(p, every)
    c = Clip(s, zero, zero) no = Greater(zero, zero) yes = Not(no)
    score = Where(CHOICE)
    """.replace("CHOICE", "yes, c, s" if chosen else "no, s, c")
    _, told = import_small(small(body), good)
    assert "--before-cut takes them as they are before that" in "".join(told)


def test_before_cut_is_named_where_every_picture_reaches_a_limit(good: list[Path]) -> None:
    body = """
    m = Conv(x, kernel) map = Clip(m, zero, zero) p = GlobalMaxPool(m) s = Reshape(p, every)
    score = Clip(s, zero, zero)
    """
    with pytest.raises(ExportError, match=r"score 0 to every picture; the graph cuts .*--before-"):
        import_small(small(body), good)
    source, _ = import_small(small(body), good, before_cut=True)
    levels = np.stack([np.full((8, 8, 3), level, np.uint8) for level in (0, 51)])
    assert source.answer(levels).score == pytest.approx([0, 1.2])


def test_answers_that_are_not_finite_are_refused(good: list[Path]) -> None:
    body = "m = Conv(x, kernel) map = Div(m, zero) p = GlobalMaxPool(map) score = Reshape(p, every)"
    with pytest.raises(ExportError, match="values that are not finite"):
        import_small(small(body), good)


def test_a_graph_without_a_map_has_one_of_one_cell(good: list[Path]) -> None:
    body = "m = Conv(x, kernel) p = GlobalMaxPool(m) score = Reshape(p, every)"
    source, told = import_small(small(body, outputs="float[N] score"), good)
    assert "no map, so a map of one cell holds the score score" in told[-1]
    answer = source.answer(np.full((2, 8, 8, 3), 51, np.uint8))
    assert answer.anomaly_map.shape == (2, 1, 1)
    assert answer.score == pytest.approx([1.2, 1.2])
    assert source.facts.map_size == (1, 1)


def test_a_graph_without_a_score_has_its_map_s_maximum(good: list[Path], tmp_path: Path) -> None:
    source, told = import_small(small("map = Conv(x, kernel)", outputs="float[N,1,8,8] map"), good)
    assert "map map of 8x8, whose maximum is the score" in told[-1]
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    wanted = (images @ np.array([3, 2, 1]) / 255).max(axis=(1, 2))
    np.testing.assert_allclose(source.answer(images).score, wanted, rtol=0, atol=1e-5)
    source.write_graph(tmp_path / "out.onnx", "uint8")
    engine = OnnxRuntimeEngine.open(tmp_path / "out.onnx", threads=1)
    np.testing.assert_allclose(engine.infer(images).score, wanted, rtol=0, atol=1e-5)
    engine.close()


def test_a_graph_that_onnx_runtime_cannot_run_is_refused(good: list[Path]) -> None:
    model = small()
    model.graph.node[0].op_type = "Convolve"
    with pytest.raises(ExportError, match=r"ONNX Runtime .* cannot run .*m\.onnx: .*Convolve"):
        import_small(model, good)
    model = small()
    model.ir_version = 99
    with pytest.raises(
        ExportError, match=r"m\.onnx: Unsupported model IR version: 99, .*; export it"
    ):
        import_small(model, good)


def test_a_size_that_the_graph_does_not_take_is_said(good: list[Path]) -> None:
    model = small("a = Reshape(x, one_of_1) " + "map = Conv(a, kernel) p = GlobalMaxPool(map) "
                  "score = Reshape(p, every)", described="float[N,3,H,W]")  # fmt: skip
    path = good[0].parent.with_name("m.onnx")
    onnx.save(model, path)
    with pytest.raises(ExportError, match=r"fails on a picture of 16x16 pixels: .*--size"):
        open_quietly(path, good, pictures=InputOptions(white=1, size=PictureSize(16, 16)))
    source, _ = open_quietly(path, good, pictures=InputOptions(white=1, size=PictureSize(8, 8)))
    assert source.facts.preprocess.input_size == (8, 8)


def test_nothing_cut_off_needs_no_before_cut(good: list[Path]) -> None:
    with pytest.raises(ExportError, match="leave --before-cut out"):
        import_small(small(), good, before_cut=True)


def test_the_graph_s_own_crop_is_that_of_the_bundle(good: list[Path]) -> None:
    """The map lies on the part that the graph looks at, and the answers are the graph's own."""
    model = small(
        """
        f = Constant<value = int64[2] {3, 2}>() t = Constant<value = int64[2] {11, 10}>()
        a = Constant<value = int64[2] {2, 3}>() c = Slice(x, f, t, a)
        map = Conv(c, kernel) p = GlobalMaxPool(map) score = Reshape(p, every)
        """,
        described="float[N,3,16,12]",
    )
    source, told = import_small(model, good)
    spec = source.facts.preprocess
    assert (spec.width, spec.height, spec.input_size) == (12, 16, (8, 8))
    assert "the graph cuts 8x8 pixels at (2, 3) out of 12x16; the map lies there" in told
    whole = spec.model_copy(update={"crop": None})
    picture = read_model_input(good[0], whole)
    wanted = picture[3:11, 2:10] @ np.array([3, 2, 1]) / 255
    buffer = io.BytesIO()
    onnx.save(model, buffer)
    original = onnxruntime.InferenceSession(buffer.getvalue())
    fed = (picture[None].transpose(0, 3, 1, 2) / 255).astype(np.float32)
    np.testing.assert_allclose(original.run(["map"], {"x": fed})[0][0, 0], wanted, atol=1e-5)
    np.testing.assert_allclose(
        source.answer(read_model_input(good[0], spec)[None]).anomaly_map[0], wanted, atol=1e-5
    )
