from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner, Result
from onnx import parser

from takt.core.bundles.bundle import load_bundle
from takt.core.bundles.manifest import Crop
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt.core.pictures.preprocess import preprocess
from takt_export.bundling.export_bundle import ExportOptions
from takt_export.commands.import_onnx import import_
from takt_export.imported.preprocessing import InputOptions
from takt_export.imported.source import ImportOptions
from takt_export.pictures import read_picture

WritePictures = Callable[..., list[Path]]

TEXT = """<ir_version: 8, opset_import: ["" : 17]>
by_others (float[N,3,H,W] picture) => (float[N,1,h,w] first, float[N,1,h,w] second, float[N] score)
<float[1,3,1,1] kernel = {3, 2, 1}, int64[1] every = {-1}>
{
  first = Conv(picture, kernel)
  second = Neg(first)
  peak = GlobalMaxPool(first)
  score = Reshape(peak, every)
}"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(import_, ["onnx", *map(str, arguments), "-q"])


def refused(result: Result, status: int = 1) -> str:
    """The last line of a refusal, which has no stack trace."""
    assert result.exit_code == status, result.output
    assert isinstance(result.exception, SystemExit)
    last = result.output.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    return last


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "line 3.onnx"
    onnx.save(parser.parse_model(TEXT), path)
    return path


@pytest.fixture
def good(write_pictures: WritePictures, tmp_path: Path) -> list[Path]:
    return write_pictures(tmp_path / "good", 4)


def test_the_command_is_listed_without_importing_onnx() -> None:
    code = (
        "import sys; import takt_export.commands.import_onnx; "
        "print([m for m in ('torch', 'onnx', 'onnxruntime', 'cv2') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert found.stdout.strip() == "[]"


def test_the_help_s_defaults_are_those_of_the_import() -> None:
    offered = {param.name: param.default for param in import_.commands["onnx"].params}
    assert offered["allow_drift"] == ImportOptions.allowed_drift == ExportOptions.allowed_drift
    assert offered["family"] == ImportOptions.family
    assert offered["bgr"] == "rgb"
    assert InputOptions.resize is None


def test_every_option_reaches_the_bundle(
    file: Path, good: list[Path], write_pictures: WritePictures, tmp_path: Path
) -> None:
    bad = write_pictures(tmp_path / "bad", 1, high=255)
    out = tmp_path / "models" / "parts" / "1"
    result = run(
        file, "--good", good[0].parent, "--defects", bad[0].parent, "--out", out,
        "--fitted-on", write_pictures(tmp_path / "train", 2, seed=9)[0].parent,
        "--size", "12x16", "--layout", "nchw", "--channels", "bgr", "--mean", "0.1,0.2,0.3",
        "--std", "0.5", "--white", "255", "--map-output", "second", "--score-output", "score",
        "--resize", "area", "--crop-from", "20", "--family", "sums", "--variant", "tiny",
        "--alpha", "0.3", "--allow-drift", "0.01", "--threads", "1",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert (
        "input picture: 12x16, NCHW, float32, BGR; map second of 12x16, score score"
        in result.output
    )
    assert "calibrating on 4 pictures the training never saw; 0 seen ones left out" in result.output
    assert "defects" in result.output
    bundle = load_bundle(out)
    manifest = bundle.manifest
    assert (manifest.family, manifest.variant, manifest.framework) == ("sums", "tiny", "onnx")
    spec = manifest.preprocess
    assert (spec.width, spec.height, spec.resize) == (20, 20, "area")
    assert spec.crop == Crop(x=4, y=2, width=12, height=16)
    largest = float(np.abs(bundle.golden.anomaly_map).max())
    assert manifest.tolerance == pytest.approx(1e-5 * largest)  # and not what was allowed

    picture = preprocess(read_picture(good[0]), spec)
    blue_first = (picture[..., ::-1] - 255 * np.array([0.1, 0.2, 0.3])) / 0.5
    original = onnxruntime.InferenceSession(file)
    fed = np.moveaxis(blue_first, -1, 0)[None].astype(np.float32)
    anomaly_map, score = original.run(["second", "score"], {"picture": fed})
    engine = OnnxRuntimeEngine.open(bundle.model_path, threads=1)
    answer = engine.infer(picture[None])
    engine.close()
    np.testing.assert_allclose(answer.anomaly_map, anomaly_map[:, 0], rtol=1e-5)
    np.testing.assert_allclose(answer.score, score, rtol=1e-5)


def test_what_the_graph_does_not_show_is_asked_for_one_thing_at_a_time(
    file: Path, good: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "models" / "parts" / "1"
    arguments = [file, "--good", good[0].parent, "--out", out, "--alpha", "0.3"]
    assert "--mean 0 --std 1 for plain ones" in refused(run(*arguments))
    arguments += ["--mean", "0", "--std", "1"]
    assert "say that of its training with --size" in refused(run(*arguments))
    arguments += ["--size", "16"]
    assert "say which with --map-output NAME" in refused(run(*arguments))
    assert not out.parent.exists()
    arguments += ["--map-output", "first"]
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    manifest = load_bundle(out).manifest
    assert (manifest.family, manifest.variant) == ("imported", "line-3")
    assert manifest.preprocess.resize == "tensor_bilinear"
    assert manifest.thresholds.method == "split conformal"


def test_thresholds_that_the_graph_does_not_have_cannot_be_kept(
    file: Path, good: list[Path], tmp_path: Path
) -> None:
    result = run(
        file, "--good", good[0].parent, "--out", tmp_path / "m" / "1", "--white", "1",
        "--size", "16", "--map-output", "first", "--keep-thresholds",
    )  # fmt: skip
    assert "no thresholds of the training to keep" in refused(result)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--size", "12x", "'12x' is no size; give 256, or width x height as 320x256"),
        ("--size", "0", "is no size"),
        ("--crop-from", "1x2x3", "is no size"),
        ("--mean", "0.1,0.2", "is not one number, or three with commas between"),
        ("--mean", "high", "is not one number"),
        ("--mean", "nan", "is not one number"),
        ("--mean", "123.7,116.3,103.5", "for pictures from 0 to 1; divide it by 255"),
        ("--std", "58,57,57", "divide it by 255"),
        ("--std", "0.2,0,0.2", "greater than 0"),
        ("--white", "128", "'128' is not one of '1', '255'"),
    ],
)
def test_an_option_that_cannot_be_meant_is_a_usage_error(
    file: Path, good: list[Path], tmp_path: Path, option: str, value: str, message: str
) -> None:
    result = run(file, "--good", good[0].parent, "--out", tmp_path / "m" / "1", option, value)
    line = refused(result, status=2)
    assert option in line
    assert message in line


def test_what_is_no_graph_or_no_new_version_is_refused_in_one_line(
    file: Path, good: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "models" / "parts" / "1"
    assert "does not exist" in refused(
        run("absent.onnx", "--good", good[0].parent, "--out", out), 2
    )
    assert "is no ONNX file" in refused(run(good[0], "--good", good[0].parent, "--out", out))
    out.mkdir(parents=True)
    assert "export to a new one" in refused(run(file, "--good", good[0].parent, "--out", out))
