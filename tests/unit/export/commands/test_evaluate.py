from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from click.testing import CliRunner, Result

from takt.core.bundles.bundle import Bundle
from takt_export.commands.evaluate import evaluate
from takt_export.evaluation.inspectors import LocalInspector

STAGES = ("decode", "preprocess", "queue", "engine", "postprocess", "render")
REST = {"state": "ready", "reason": None, "engine": None, "family": None, "variant": None}
MODEL = {
    "name": "parts",
    "active": "2",
    "versions": [
        {"version": "2", "thresholds": None, **REST},
        {
            "version": "1",
            **REST,
            "thresholds": {
                "image": 0.5,
                "pixel": 0.75,
                "method": "by hand",
                "origin": {
                    "image": {"source": "bundle", "since": "2026-01-01T00:00:00+00:00"},
                    "pixel": {"source": "override", "since": "2026-01-02T00:00:00+00:00"},
                },
            },
        },
    ],
}
"""What a server says of the bundle's model, whose pixel threshold somebody changed there."""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(evaluate, [str(argument) for argument in arguments])


def refused(result: Result) -> str:
    """The one line of a refusal, which has no stack trace."""
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit)
    last = result.output.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    return last


@pytest.fixture
def labelled(tmp_path: Path, picture_bytes: Callable[..., bytes]) -> Path:
    """For the model that answers brightness: one good picture is too bright, one bad too dark."""
    levels = {"good": (40, 80, 150), "bad": (60, 200, 250)}
    for label, of_label in levels.items():
        (tmp_path / "data" / label).mkdir(parents=True)
        for level in of_label:
            path = tmp_path / "data" / label / f"{level:03}.png"
            path.write_bytes(picture_bytes(level))
    masks = tmp_path / "data" / "ground_truth" / "bad"
    masks.mkdir(parents=True)
    cv2.imwrite(str(masks / "200_mask.png"), np.full((48, 64), 255, np.uint8))
    return tmp_path / "data"


def test_the_command_is_listed_without_importing_what_it_needs() -> None:
    code = (
        "import sys; import takt_export.commands.evaluate; "
        "print([m for m in ('torch', 'sklearn', 'cv2', 'httpx', 'numpy') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert found.stdout.strip() == "[]"


def test_everything_is_written_for_programs(bundle: Bundle, labelled: Path, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    result = run(bundle.path, "--data", labelled, "--json", file, "--threads", 1, "-q")
    assert result.exit_code == 0, result.output
    found = json.loads(file.read_text())
    assert found["format_version"] == 1
    assert found["has_synthetic_defects"] is False
    assert (found["model"], found["version"], found["threshold"]) == ("parts", "1", 0.5)
    assert found["data"] == {"root": str(labelled), "layout": "plain"}
    assert found["real"]["image"]["auroc"] == pytest.approx(7 / 9)
    assert found["real"]["pixel"]["regions"] == 1
    assert found["real"]["confusion"]["true_positive"] == 2
    assert found["by_defect"][0]["defects"] == "bad"
    assert found["pixel_side"] == 256
    assert set(found["total"]) == {"p50_ms", "p95_ms", "p99_ms"}
    assert len(found["pictures"]) == 6
    bright = found["pictures"][1]
    assert (bright["path"], bright["defect"], bright["anomalous"]) == ("bad/200.png", "bad", True)
    assert bright["masks"] == ["ground_truth/bad/200_mask.png"]
    assert bright["score"] == pytest.approx(200 / 255)
    assert found["bundle"]["thresholds"]["method"] == "by hand"
    assert found["threshold_from"] == found["pixel_threshold_from"] == "by hand"


def test_thresholds_set_at_the_line_are_those_deployed(
    bundle: Bundle, labelled: Path, tmp_path: Path
) -> None:
    entry = {"value": 0.9, "set_at": "2026-01-02T00:00:00+00:00"}
    override = {"image": entry, "pixel": entry}
    (bundle.path / "thresholds.json").write_text(json.dumps(override))
    file = tmp_path / "figures.json"
    result = run(bundle.path, "--data", labelled, "--json", file, "--threads", 1, "-q")
    assert result.exit_code == 0, result.output
    found = json.loads(file.read_text())
    assert found["threshold"] == 0.9
    assert found["real"]["confusion"]["true_positive"] == 1
    assert "set at the line" in found["threshold_from"]


def test_a_pixel_threshold_set_at_the_line_is_named_as_such(
    bundle: Bundle, labelled: Path, tmp_path: Path
) -> None:
    override = {"pixel": {"value": 0.9, "set_at": "2026-01-02T00:00:00+00:00"}}
    (bundle.path / "thresholds.json").write_text(json.dumps(override))
    file, report = tmp_path / "figures.json", tmp_path / "r.html"
    result = run(
        bundle.path, "--data", labelled, "--json", file, "--report", report, "--threads", 1, "-q"
    )
    assert result.exit_code == 0, result.output
    found = json.loads(file.read_text())
    assert (found["threshold"], found["pixel_threshold"]) == (0.5, 0.9)
    assert found["threshold_from"] == "by hand"
    assert found["pixel_threshold_from"] == "set at the line (thresholds.json)"
    assert "0.9 (set at the line (thresholds.json))" in report.read_text()


def test_file_names_that_are_not_utf_8_are_escaped(
    bundle: Bundle, labelled: Path, tmp_path: Path
) -> None:
    defect, name = os.fsdecode(b"caf\xe9"), os.fsdecode(b"\xff.png")
    (labelled / "bad" / "200.png").rename(labelled / "bad" / name)
    (labelled / "bad").rename(labelled / defect)
    file, report = tmp_path / "figures.json", tmp_path / os.fsdecode(b"\xfe.html")
    result = run(
        bundle.path, "--data", labelled, "--json", file, "--report", report, "--threads", 1, "-q"
    )
    assert result.exit_code == 0, result.output
    assert "caf\\udce9" in result.output
    found = json.loads(file.read_text(encoding="utf-8"))
    assert f"{defect}/{name}" in [picture["path"] for picture in found["pictures"]]
    assert "caf\\udce9/\\udcff.png" in report.read_text(encoding="utf-8")


def test_a_file_that_is_no_picture_or_cannot_be_written_is_met_before_the_first_inspection(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle, labelled: Path, tmp_path: Path
) -> None:
    def inspected(*_: object) -> None:
        pytest.fail("a picture was inspected")

    monkeypatch.setattr(LocalInspector, "inspect", inspected)
    arguments = (bundle.path, "--data", labelled, "--threads", 1, "-q")
    with monkeypatch.context() as patch:
        patch.setattr("takt_export.commands.options.os.access", lambda path, _: path != tmp_path)
        assert "new.json cannot be written" in refused(
            run(*arguments, "--json", tmp_path / "new.json")
        )
    last = max(labelled.rglob("*.png"))
    last.write_bytes(b"no picture")
    assert f"{last.name}: " in refused(run(*arguments))


def test_the_size_of_the_comparison_can_be_chosen(bundle: Bundle, labelled: Path) -> None:
    arguments = (bundle.path, "--data", labelled, "--threads", 1, "-q")
    assert "at 256 × 256 pixels" in run(*arguments).output
    assert "at each picture's own size" in run(*arguments, "--pixel-side", 0).output


def test_a_server_is_evaluated_like_the_bundle_itself(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle, labelled: Path, tmp_path: Path
) -> None:
    local, remote, report = (tmp_path / name for name in ("local.json", "remote.json", "r.html"))
    first = run(bundle.path, "--data", labelled, "--json", local, "-q")
    assert first.exit_code == 0, first.output

    with LocalInspector(bundle, threads=1) as inspector:

        def serve(request: httpx.Request) -> httpx.Response:
            if request.method == "GET":
                return httpx.Response(200, json=MODEL)
            answer = inspector.inspect(request.content)
            npy = io.BytesIO()
            np.save(npy, answer.anomaly_map)
            data = base64.b64encode(npy.getvalue()).decode()
            box = answer.placed.box
            return httpx.Response(
                200,
                json={
                    "model": "parts",
                    "version": "1",
                    "percentile": None,
                    "regions": [],
                    "score": answer.score,
                    "threshold": answer.threshold,
                    "anomalous": answer.anomalous,
                    "image": {"width": answer.width, "height": answer.height},
                    "inspected": [box.x, box.y, box.width, box.height],
                    "heatmap": {"kind": "raw", "format": "npy", "data": data},
                    "timings_ms": dict.fromkeys(STAGES, 0.0) | {"total": answer.total_ms},
                },
            )

        transport_to = "takt_export.evaluation.http_inspector.transport_to"
        monkeypatch.setattr(transport_to, lambda url: httpx.MockTransport(serve))
        second = run(
            bundle.path, "--data", labelled, "--url", "http://line", "--json", remote,
            "--report", report,
        )  # fmt: skip
    assert second.exit_code == 0, second.output
    figures = [json.loads(path.read_text()) for path in (local, remote)]
    assert figures[1]["through"] == "the server at http://line"
    assert figures[1]["threshold_from"] == "in force at the server, its bundle's own: by hand"
    assert figures[1]["pixel_threshold"] == 0.75
    assert "set at the line at 2026-01-02" in figures[1]["pixel_threshold_from"]
    for one in figures:
        for other in ("total", "wall", "evaluated_at", "through"):
            del one[other]
        for other in ("threshold_from", "pixel_threshold", "pixel_threshold_from"):
            del one[other]
        for picture in one["pictures"]:
            del picture["total_ms"], picture["wall_ms"]
    assert figures[0] == figures[1]
    page = report.read_text()
    assert "through the server at http://line" in page
    assert "0.75 (in force at the server, set at the line at 2026-01-02" in page
    assert page.count("<img") == 2 * (1 + 1 + 2)  # a miss, a false reject and two hits


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("absent", "--data", "data"), "is no bundle"),
        (("BUNDLE", "--data", "absent"), "there is no folder absent"),
        (("BUNDLE", "--data", "data/good"), "in a layout that is known"),
        (("BUNDLE", "--data", "data", "--url", "line"), "is no URL"),
        (("BUNDLE", "--data", "data", "--json", "absent/f.json"), "absent/f.json"),
        (("BUNDLE", "--data", "data", "--report", "absent/f.html"), "absent/f.html"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    bundle: Bundle,
    labelled: Path,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(labelled.parent)
    given = [str(bundle.path) if word == "BUNDLE" else word for word in arguments]
    assert message in refused(run(*given, "-q"))
