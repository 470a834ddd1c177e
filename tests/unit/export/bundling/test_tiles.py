"""Exports of models that see tiles: asked for, measured as served, refused."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from onnx import parser

import takt_export.bundling.checkpoint_source
from takt.core.bundles.bundle import Bundle, load_bundle
from takt.core.bundles.manifest import CheckpointThresholds, Preprocess
from takt.core.bundles.tiling import Tiling
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.pictures.preprocess import preprocess
from takt_export.bundling.checkpoint_source import with_statistics
from takt_export.bundling.recalibrate import RecalibrationOptions, find_thresholds
from takt_export.bundling.source import SourceFacts
from takt_export.bundling.tiles import with_tiling
from takt_export.commands.export import export as export_
from takt_export.commands.import_onnx import import_
from takt_export.commands.verify import verify
from takt_export.evaluation.http_inspector import HttpInspector
from takt_export.evaluation.inspectors import LocalInspector, check_same_model
from takt_export.pictures import middle_tile, read_model_input, read_picture
from takt_export.wording import tiles_text
from takt_models.checkpoints.facts import Checkpoint

WritePictures = Callable[..., list[Path]]

SIDE = 16
# Its borders are padded with black, so that tiles differ where they overlap.
EDGES = """<ir_version: 8, opset_import: ["" : 17]>
by_others (float[N,3,16,16] picture) => (float[N,1,16,16] map, float[N] score)
<float[1,3,3,3] kernel = {-1,-1,-1,-1,8,-1,-1,-1,-1, -1,-1,-1,-1,8,-1,-1,-1,-1,
                          -1,-1,-1,-1,8,-1,-1,-1,-1}, int64[1] every = {-1}>
{
  edges = Conv<pads = [1, 1, 1, 1]>(picture, kernel)
  map = Abs(edges)
  peak = GlobalMaxPool(map)
  score = Reshape(peak, every)
}"""
PLAIN = ("--mean", 0, "--std", 1, "--threads", 1, "-q")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(import_, ["onnx", *map(str, arguments)])


def refused(result: Result, status: int = 1) -> str:
    assert result.exit_code == status, result.output
    assert isinstance(result.exception, SystemExit)
    return result.output.strip().splitlines()[-1]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    onnx.save(parser.parse_model(EDGES), tmp_path / "edges.onnx")
    return tmp_path / "edges.onnx"


@pytest.fixture
def good(write_pictures: WritePictures, tmp_path: Path) -> list[Path]:
    """Three of 80 x 60, one of 50 x 70."""
    first = write_pictures(tmp_path / "good", 3)
    (other,) = write_pictures(tmp_path / "other", 1, seed=1, size=(50, 70))
    return [*first, other.rename(first[0].with_name("other.png"))]


def imported(file: Path, good: list[Path], *options: object) -> Bundle:
    out = file.parent / "models" / "edges" / "1"
    result = run(file, "--good", good[0].parent, "--out", out, *PLAIN, "--alpha", 0.2, *options)
    assert result.exit_code == 0, result.output
    return load_bundle(out)


def naive(bundle: Bundle, path: Path) -> NDArray[np.float64]:
    """The map of a plain loop over tiles of 16 x 16, one cell a pixel, blended linearly."""
    picture = read_picture(path)
    height, width, _ = picture.shape
    overlap = bundle.manifest.tiling.overlap  # type: ignore[union-attr]
    total, weights = np.zeros((height, width)), np.zeros((height, width))
    ramp = np.minimum(np.arange(1, SIDE + 1), np.arange(SIDE, 0, -1)).astype(np.float64)
    engine = OnnxRuntimeEngine.open(bundle.model_path, threads=1)
    for top in begins(height, overlap):
        for left in begins(width, overlap):
            at = np.s_[top : top + SIDE, left : left + SIDE]
            tile = np.ascontiguousarray(picture[at], bundle.manifest.preprocess.input)
            answer = engine.infer(tile[None])
            total[at] += np.outer(ramp, ramp) * answer.anomaly_map[0]
            weights[at] += np.outer(ramp, ramp)
    engine.close()
    blended: NDArray[np.float64] = total / weights
    return blended


def begins(pixels: int, overlap: int) -> list[int]:
    steps = math.ceil((pixels - SIDE) / (SIDE - overlap))
    return [min(step * (SIDE - overlap), pixels - SIDE) for step in range(steps + 1)]


def test_the_map_that_is_measured_is_that_of_a_naive_loop(file: Path, good: list[Path]) -> None:
    bundle = imported(file, good, "--tile", SIDE, "--tile-overlap", 4)
    with LocalInspector(bundle, threads=1) as inspector:
        for path in good:
            answer = inspector.inspect(path.read_bytes())
            expected = naive(bundle, path)
            assert answer.anomaly_map.shape == expected.shape
            assert np.abs(answer.anomaly_map - expected).max() < 1e-5
            assert (answer.placed.box.width, answer.placed.box.height) == (
                answer.width,
                answer.height,
            )


def test_thresholds_and_colours_rest_on_what_is_served(file: Path, good: list[Path]) -> None:
    bundle = imported(file, good, "--tile", SIDE, "--tile-overlap", 4)
    with LocalInspector(bundle, threads=1) as inspector:
        answers = [inspector.inspect(path.read_bytes()) for path in good]
    assert np.array_equal(bundle.calibration.good_score, np.float32([a.score for a in answers]))
    peaks = [answer.anomaly_map.max() for answer in answers]
    assert np.array_equal(bundle.calibration.good_peak, np.float32(peaks))
    values = np.concatenate([answer.anomaly_map[::4, ::4].ravel() for answer in answers])
    assert bundle.manifest.map.low == pytest.approx(np.median(values), abs=1e-6)
    assert bundle.manifest.thresholds.image == np.sort(bundle.calibration.good_score)[-1]


def test_a_calibration_measures_tiles_too(file: Path, good: list[Path]) -> None:
    bundle = imported(file, good, "--tile", SIDE, "--tile-overlap", 4)
    options = RecalibrationOptions(alpha=0.2, threads=1)
    found = find_thresholds(bundle, good, [], [], options, tell=lambda line: None, quiet=True)
    assert found.thresholds.image == bundle.manifest.thresholds.image
    assert found.thresholds.pixel == bundle.manifest.thresholds.pixel
    assert found.map_low == bundle.manifest.map.low


def test_the_golden_inputs_are_tiles_from_the_middle(file: Path, good: list[Path]) -> None:
    bundle = imported(file, good, "--tile", SIDE, "--tile-overlap", 4)
    ordered = sorted(good)
    for image, path in zip(bundle.golden.images, ordered, strict=False):
        picture = read_picture(path)
        assert np.array_equal(image, middle_tile(picture, bundle.manifest.tiling))
    height, width, _ = read_picture(ordered[0]).shape
    assert (width, height) == (80, 60)
    # Of the columns at 0, 12 … 60, 64 and the rows at 0, 12, 24, 36, 44.
    assert np.array_equal(bundle.golden.images[0], read_picture(ordered[0])[24:40, 36:52])


def test_a_tile_of_another_size_is_resized_to_the_input(file: Path, good: list[Path]) -> None:
    bundle = imported(file, good, "--tile", "40x30", "--resize", "area")
    tiling = Tiling(width=40, height=30, overlap=3, blend="linear")
    assert bundle.manifest.tiling == tiling
    spec = bundle.manifest.preprocess
    assert (spec.width, spec.height) == (SIDE, SIDE)
    found = read_model_input(good[0], spec, tiling)
    tile = middle_tile(read_picture(good[0]), tiling)
    assert tile.shape == (30, 40, 3)
    assert np.array_equal(found, preprocess(tile, spec))


@pytest.mark.parametrize(
    ("options", "tiling"),
    [
        ((), None),
        (("--tile", 32), Tiling(width=32, height=32, overlap=4, blend="linear")),
        (("--tile", "40x24"), Tiling(width=40, height=24, overlap=3, blend="linear")),
        (
            ("--tile", 16, "--tile-overlap", 0, "--tile-blend", "max"),
            Tiling(width=16, height=16, overlap=0, blend="max"),
        ),
    ],
)
def test_the_bundle_has_the_tiles_that_were_asked_for(
    file: Path, good: list[Path], options: tuple[object, ...], tiling: Tiling | None
) -> None:
    assert imported(file, good, *options).manifest.tiling == tiling


def test_the_report_and_verify_say_the_tiles(file: Path, good: list[Path]) -> None:
    out = file.parent / "models" / "edges" / "1"
    result = run(
        *(file, "--good", good[0].parent, "--out", out, *PLAIN),
        *("--tile", SIDE, "--tile-blend", "mean"),
    )
    assert result.exit_code == 0, result.output
    line = "tiles       16x16 pixels of the picture, overlapping by 2, blend mean"
    assert line in result.output.splitlines()
    verified = CliRunner().invoke(verify, [str(out), "--threads", "1"])
    assert line in verified.output.splitlines()


def test_pictures_smaller_than_a_tile_are_warned_of(file: Path, good: list[Path]) -> None:
    out = file.parent / "models" / "edges" / "1"
    result = run(file, "--good", good[0].parent, "--out", out, *PLAIN, "--tile", "64x60")
    assert result.exit_code == 0, result.output
    warning = "warning: good pictures that are smaller than a tile of 64x60 pixels: 1; "
    assert warning in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--tile-overlap", 8), "go with --tile"),
        (("--tile-blend", "max"), "go with --tile"),
        (("--tile", 32, "--tile-overlap", 17), "more than half of a tile's side of 32; give 16"),
        (("--tile", "0"), "'0' is no size"),
        (("--tile", "8x8x8"), "'8x8x8' is no size"),
    ],
)
def test_tiles_that_cannot_be_meant_are_a_usage_error(
    file: Path, good: list[Path], options: tuple[object, ...], message: str
) -> None:
    out = file.parent / "models" / "edges" / "1"
    for command, source in ((import_, file), (export_, file)):
        arguments = ["onnx", source, "--good", good[0].parent, "--out", out, *options]
        result = CliRunner().invoke(command, [str(argument) for argument in arguments])
        assert message in refused(result, status=2)


def test_a_region_of_interest_and_tiles_are_refused_together(
    file: Path, good: list[Path], tmp_path: Path
) -> None:
    roi = tmp_path / "roi.json"
    roi.write_text(json.dumps({"polygons": [[[0, 0], [1, 0], [1, 1]]]}))
    out = file.parent / "models" / "edges" / "1"
    result = run(
        *(file, "--good", good[0].parent, "--out", out, *PLAIN),
        *("--tile", SIDE, "--roi", roi),
    )
    assert "--roi and --tile do not go together" in refused(result)
    assert not out.exists()


def test_a_crop_and_tiles_are_refused_together(file: Path, good: list[Path]) -> None:
    out = file.parent / "models" / "edges" / "1"
    result = run(
        *(file, "--good", good[0].parent, "--out", out, *PLAIN),
        *("--tile", SIDE, "--crop-from", 20),
    )
    assert "gaps between tiles" in refused(result)


def facts(**fields: object) -> SourceFacts:
    ours = {
        "family": "edges",
        "variant": "tiny",
        "framework": "tests",
        "preprocess": Preprocess(width=SIDE, height=SIDE, resize="area"),
        "map_size": (SIDE, SIDE),
        "reference": "onnx",
    }
    return SourceFacts(**ours | fields)  # type: ignore[arg-type]


def test_thresholds_of_the_training_belong_to_whole_pictures() -> None:
    trained = facts(trained_thresholds=CheckpointThresholds(image=1, pixel=2))
    tiling = Tiling(width=32, height=32, overlap=0, blend="max")
    assert with_tiling(trained, tiling).trained_thresholds is None
    assert with_tiling(trained, None) is trained


def test_what_a_checkpoint_lacks_is_measured_on_tiles(
    thin_checkpoint: Checkpoint,
    write_pictures: WritePictures,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (path,) = write_pictures(tmp_path / "big", 1, size=(600, 500))
    tiling = Tiling(width=256, height=256, overlap=32, blend="linear")
    seen = []

    def measure(checkpoint: Checkpoint, pictures: list[Path], read: Callable) -> Checkpoint:  # type: ignore[type-arg]
        seen.extend(read(picture) for picture in pictures)
        return checkpoint

    monkeypatch.setattr(takt_export.bundling.checkpoint_source, "measure_missing", measure)
    lacking = dataclasses.replace(thin_checkpoint, missing=("map quantiles",))
    with_statistics(lacking, [path], lambda line: None, tiling)
    tile = middle_tile(read_picture(path), tiling)
    pixels = (seen[0][0].permute(1, 2, 0) * 255).round().numpy()
    assert np.array_equal(pixels, tile)


def test_a_server_is_compared_by_a_picture_of_one_tile(make_bundle) -> None:
    same = make_bundle(tiling={"width": 32, "height": 32, "overlap": 4, "blend": "linear"})
    with LocalInspector(same, threads=1) as inspector:
        check_same_model(inspector, same)
    # No picture of the input's size would reach the model as it is.
    smaller = make_bundle(
        version="2", tiling={"width": 16, "height": 16, "overlap": 4, "blend": "linear"}
    )
    unasked = httpx.MockTransport(lambda request: pytest.fail("nobody need be asked"))
    with HttpInspector("http://line:8000", smaller.manifest, transport=unasked) as inspector:
        check_same_model(inspector, smaller)


def test_no_tiles_say_nothing(bundle: Bundle) -> None:
    assert tiles_text(bundle.manifest) is None
