from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from click.testing import CliRunner, Result

from takt.core.bundles.bundle import MODEL, Bundle
from takt.core.engines.golden import BatchDrift, GoldenDrift, bounds_of
from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt_export.commands.verify import verify
from takt_export.evaluation.verify import AbsentEngine, BundleResult, GraphRun, Verification
from takt_export.report.verification_table import verification_table

MakeBundle = Callable[..., Bundle]

EXPORT_PACKAGES = ("torch", "onnx", "onnxscript", "sklearn", "httpx", "tqdm", "timm", "safetensors")


@pytest.fixture(autouse=True)
def a_host_with_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ONNX Runtime is installed here has the CPU alone."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])


def run(*arguments: object) -> Result:
    return CliRunner().invoke(verify, [str(argument) for argument in arguments])


def test_a_bundle_that_answers_as_trained_is_tabled_and_succeeds(bundle: Bundle) -> None:
    result = run(bundle.path, "--threads", 1)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == f"{bundle.path}: parts version 1"
    assert lines[1].split() == [
        "graph",
        "engine",
        "batch",
        *["score", "drift", "map", "drift"],
        "tolerance",
    ]
    for line, batch in zip(lines[2:4], ("1", "3"), strict=True):
        cells = line.split()
        assert (cells[:3], cells[-2:]) == ([MODEL, "cpu", batch], ["0.001", "ok"])
        assert max(float(cells[3]), float(cells[4])) < 1e-6
    assert lines[4] == "recorded    score 0, map 0 between torch and the graph, on 3 pictures"
    assert [line.split(":")[0] for line in lines[6:]] == [
        "absent      cuda",
        "absent      tensorrt",
    ]


def test_a_bundle_that_drifts_fails(make_bundle: MakeBundle) -> None:
    result = run(make_bundle(scale=1.1).path)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.output.count("DRIFTS") == 2


def test_a_damaged_bundle_fails_and_the_others_are_still_tabled(
    make_bundle: MakeBundle, repository: Path
) -> None:
    make_bundle("a").model_path.write_bytes(b"")
    make_bundle("b")
    result = run(repository)
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0] == f"{repository / 'a' / '1'}: REFUSED"
    assert "is not the file that was exported" in lines[1]
    assert f"{repository / 'b' / '1'}: b version 1" in lines


def test_a_folder_without_bundles_is_one_line(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {tmp_path} holds no bundle")


def test_what_was_recorded_at_the_export_is_told(make_bundle: MakeBundle) -> None:
    made = make_bundle(
        reference="onnx",
        drift={
            "pictures": 7,
            "score": 1.5e-6,
            "anomaly_map": 2.5e-5,
            "from_file": {"score": 1.6e-6, "anomaly_map": 3e-5},
        },
        preprocess={
            "width": 32,
            "height": 32,
            "resize": "area",
            "drift": {
                "trained_with": "pillow_bilinear",
                "pictures": 7,
                "grey_levels": 3,
                "score": 0.004,
                "anomaly_map": 0.01,
            },
        },
    )
    lines = run(made.path).output.splitlines()
    assert (
        "recorded    score 1.6e-06, map 3e-05 from the picture's file on; of these score 1.5e-06, "
        "map 2.5e-05 between the file and the bundle, on 7 pictures" in lines
    )
    assert (
        "resize      area instead of pillow_bilinear changes the score by up to 0.004, "
        "the map by 0.01, a pixel by 3 levels, on 7 pictures" in lines
    )


def test_the_figures_are_written_as_json(bundle: Bundle, tmp_path: Path) -> None:
    file = tmp_path / "verified.json"
    assert run(bundle.path, "--json", file).exit_code == 0
    body = json.loads(file.read_text())
    assert body["ok"] is True
    assert [absent["engine"] for absent in body["absent"]] == ["cuda", "tensorrt"]
    (checked,) = body["bundles"]
    assert checked["path"] == str(bundle.path)
    recorded = {"pictures": 3, "score": 0, "anomaly_map": 0, "from_file": None}
    assert checked["manifest"]["drift"] == recorded
    assert checked["manifest"]["tolerance"] == 1e-3
    (one,) = checked["runs"]
    assert (one["graph"], one["engine"], one["ok"]) == (MODEL, "cpu", True)
    assert [one["drift"][how]["batch_size"] for how in ("alone", "together")] == [1, 3]


def test_what_is_not_a_number_is_null_in_json(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = OnnxRuntimeEngine.open

    def open_broken(model: Path, **options: object) -> object:
        engine = real(model, **options)
        infer = engine.infer

        def answer_nan(images: object) -> object:
            output = infer(images)
            output.score[:] = np.nan
            return output

        engine.infer = answer_nan
        return engine

    monkeypatch.setattr(OnnxRuntimeEngine, "open", open_broken)
    result = run(bundle.path, "--json", tmp_path / "verified.json")
    assert result.exit_code == 1
    assert " nan " in result.output
    body = json.loads(
        (tmp_path / "verified.json").read_text(), parse_constant=lambda _: pytest.fail("no JSON")
    )
    assert body["bundles"][0]["runs"][0]["drift"]["alone"]["score"] is None


def test_problems_are_told_below_the_table(bundle: Bundle) -> None:
    drift = GoldenDrift(BatchDrift(1, 1e-7, 2e-7), BatchDrift(8, 0.25, 2e-7))
    runs = (
        GraphRun(MODEL, "cpu", drift, bounds_of(0.001), problem=None, ok=False),
        GraphRun(MODEL, "cuda", None, bounds_of(0.001), problem="it broke", ok=False),
    )
    checked = BundleResult(Path("here"), bundle.manifest, problem=None, runs=runs, ok=False)
    absent = (AbsentEngine("tensorrt", "not installed"),)
    assert verification_table(Verification((checked,), absent, ok=False)).splitlines() == [
        "here: parts version 1",
        "graph       engine  batch  score drift  map drift  tolerance",
        "model.onnx     cpu      1        1e-07      2e-07      0.001      ok",
        "model.onnx     cpu      8         0.25      2e-07      0.001  DRIFTS",
        "model.onnx    cuda      -            -          -      0.001  FAILED",
        "problem     model.onnx on cuda: it broke",
        "recorded    score 0, map 0 between torch and the graph, on 3 pictures",
        "",
        "absent      tensorrt: not installed",
    ]


def test_a_server_install_can_verify(bundle: Bundle) -> None:
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({EXPORT_PACKAGES!r}))\n"
        "from takt_export.commands.verify import verify; verify()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(bundle.path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[4],
    )
    assert ended.returncode == 0, ended.stderr
    assert "model.onnx     cpu      3" in ended.stdout


def test_a_url_is_told_apart_from_a_folder_that_is_missing() -> None:
    told = run(verify, "s3://bundles/line-3/parts/1")
    assert told.exit_code == 2
    assert "s3://bundles/line-3/parts/1 is a URL; give a folder" in " ".join(told.output.split())
