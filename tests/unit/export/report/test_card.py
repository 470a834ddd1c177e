from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from takt.core.bundles.bundle import MODEL, Bundle, load_bundle
from takt.core.bundles.card import CARD
from takt.core.bundles.findings import FitRecord
from takt.core.bundles.manifest import Drift, Manifest, Preprocess, Thresholds
from takt.core.bundles.region import Roi
from takt.core.bundles.taught import TaughtRecord
from takt_export.commands.describe import card as card_command
from takt_export.report.card import card, write_card
from tests.tested import BEARS, self_test

MakeBundle = Callable[..., Bundle]


def variant(**fields: object) -> dict[str, object]:
    return {
        "name": "openvino-int8",
        "engine": "openvino",
        "precision": "int8",
        "model": MODEL,
        "drift": {
            "pictures": 64,
            "score": 0.02,
            "score_spans": 0.0125,
            "anomaly_map": 0.3,
            "map_spans": 0.0461,
            "turned": 2,
            "image_auroc": 0.98,
            "reference_auroc": 0.99,
        },
        "bounds": {"score": 1, "anomaly_map": 1},
        "kept": ["teacher.conv1", "student.conv1"],
        "images_per_s": 17.12,
        "made_with": {"nncf": "3.4.0"},
        "created_at": "2026-02-02T00:00:00Z",
        **fields,
    }


def run(*arguments: object) -> Result:
    return CliRunner().invoke(card_command, [str(argument) for argument in arguments])


def rows(text: str) -> list[list[str]]:
    """The cells of all tables."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]


def test_a_card_names_the_model_its_training_and_its_versions(bundle: Bundle) -> None:
    text = card(bundle.manifest)
    assert text.startswith("# parts, version 1\n")
    for row in (
        ["model", "brightness, tiny"],
        ["trained with", "tests"],
        ["input", "32 x 32, resized by area"],
        ["tests", "0"],
    ):
        assert row in rows(text)


def test_a_card_tells_what_is_known_of_the_fit(bundle: Bundle) -> None:
    text = card(bundle.manifest)
    assert "of the fit" not in text
    known = FitRecord(steps=1900, pictures=140, auroc=0.9312)
    table = rows(card(bundle.manifest.model_copy(update={"fit": known})))
    for row in (
        ["steps of the fit", "1900"],
        ["good pictures that the fit saw", "140"],
        ["image AUROC of the fit on made-up defects", "0.931"],
    ):
        assert row in table


def test_a_card_tells_where_the_thresholds_come_from(make_bundle: MakeBundle) -> None:
    thresholds = Thresholds(
        image=0.25,
        pixel=0.75,
        method="split conformal",
        alpha=0.02,
        good_count=53,
        found_at="2026-03-03T00:00:00Z",
        notes=("only 53 | pictures",),
    )
    bundle = make_bundle(thresholds=thresholds, trained_thresholds={"image": 0.5, "pixel": 0.6})
    text = card(bundle.manifest)
    for row in (
        ["of a picture's score", "0.25"],
        ["found by", "split conformal"],
        ["good pictures that may be refused", "2.00%"],
        ["good pictures behind them", "53"],
        ["found anew", "2026-03-03T00:00:00Z"],
        ["those of the training", "score 0.5, map 0.6"],
    ):
        assert row in rows(text)
    assert "- only 53 \\| pictures" in text.splitlines()


def test_a_card_tells_the_drift_of_the_reference(make_bundle: MakeBundle) -> None:
    text = card(make_bundle(drift=Drift(pictures=7, score=2e-6, anomaly_map=3e-6)).manifest)
    assert "score 2e-06, map 3e-06 between torch and the graph, on 7 pictures" in text
    assert "0.001 at most" in text


def test_a_card_has_a_line_for_each_variant(make_bundle: MakeBundle) -> None:
    on_gpu = variant(
        name="tensorrt-fp16",
        engine="onnxruntime",
        provider="tensorrt",
        precision="fp16",
        kept=[],
        images_per_s=None,
        built_for={"gpu": "NVIDIA L4"},
    )
    text = card(make_bundle(variants=[variant(), on_gpu]).manifest)
    assert [
        *("openvino-int8", "openvino", "int8", "0.0125", "0.0461", "2 of 64 (3.1%)"),
        *("0.9800 (reference 0.9900)", "17.1", "teacher.conv1, student.conv1"),
    ] in rows(text)
    found = next(row for row in rows(text) if row[0] == "tensorrt-fp16")
    assert (found[1:3], found[7:]) == (["tensorrt", "fp16"], ["-", "-"])
    assert "- tensorrt-fp16 runs on this only: gpu NVIDIA L4" in text
    assert "- openvino-int8 was made 2026-02-02T00:00:00Z with nncf 3.4.0" in text


def test_drift_that_was_measured_without_defects_has_no_auroc(make_bundle: MakeBundle) -> None:
    drift = {"pictures": 1, "score": 0, "score_spans": 0, "anomaly_map": 0, "map_spans": 0}
    text = card(make_bundle(variants=[variant(drift={**drift, "turned": 0})]).manifest)
    assert next(row for row in rows(text) if row[0] == "openvino-int8")[6] == "-"


def test_a_bundle_without_variants_says_so(bundle: Bundle) -> None:
    assert "None: the reference graph only." in card(bundle.manifest)


def test_what_only_some_models_have_is_told_where_they_have_it(make_bundle: MakeBundle) -> None:
    plain = card(make_bundle("plain").manifest)
    roi = Roi(polygons=(((0, 0), (1, 0), (1, 1)),), share=0.5, outside=0.0)
    special = make_bundle("special", roi=roi, notes=("a note",)).manifest
    assert "region of interest" not in plain
    assert "## Notes" not in plain
    assert ["region of interest", "50.0% of the picture counts: a polygon"] in rows(card(special))
    assert "## Notes\n\n- a note\n" in card(special)


def test_a_card_tells_where_a_bundle_comes_from(make_bundle: MakeBundle) -> None:
    origin = {
        "good": {"count": 210, "digest": "a" * 64},
        "files": ["b" * 64],
        "host": "a processor, 2 cores",
        "system": "Debian, x86_64",
    }

    found = rows(card(make_bundle(provenance=origin).manifest))

    for row in (
        ["good pictures", f"210, `{'a' * 64}`"],
        ["file of the model", f"`{'b' * 64}`"],
        ["host", "a processor, 2 cores"],
        ["system", "Debian, x86_64"],
    ):
        assert row in found
    assert not [row for row in found if row[0] == "defective pictures"]


def test_a_card_of_a_bundle_of_unknown_origin_tells_nothing_of_it(bundle: Bundle) -> None:
    assert "Where it comes from" not in card(bundle.manifest)


def test_a_crop_is_told(bundle: Bundle) -> None:
    preprocess = Preprocess(
        width=48, height=48, resize="area", crop={"x": 8, "y": 4, "width": 32, "height": 32}
    )
    manifest = Manifest.model_validate(
        bundle.manifest.model_dump() | {"preprocess": preprocess.model_dump()}
    )
    assert "48 x 48, resized by area, of which 32 x 32 from 8, 4 on" in card(manifest)


def test_a_card_in_the_bundle_is_no_part_of_what_was_exported(bundle: Bundle) -> None:
    path = write_card(bundle)
    assert path == bundle.path / CARD
    assert path.read_text() == card(bundle.manifest)
    assert load_bundle(bundle.path).manifest == bundle.manifest


def test_the_command_prints_the_card_and_writes_nothing(bundle: Bundle) -> None:
    result = run(bundle.path)
    assert result.exit_code == 0
    assert result.output == card(bundle.manifest)
    assert not (bundle.path / CARD).exists()


def test_the_command_writes_the_card_where_it_is_asked_to(bundle: Bundle) -> None:
    result = run(bundle.path, "--write")
    assert result.output == f"wrote {bundle.path / CARD}\n"
    assert (bundle.path / CARD).read_text() == card(bundle.manifest)


def test_a_folder_that_cannot_be_written_to_is_one_line(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("takt_export.report.card.write_atomically", read_only)
    result = run(bundle.path, "--write")
    assert result.exit_code == 1
    assert "Permission denied" in result.output


def test_a_folder_that_is_no_bundle_is_one_line(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "is no bundle" in result.output


def test_a_server_install_has_all_that_a_card_needs() -> None:
    code = (
        "import sys, takt_export.report.card, takt_export.commands.describe; "
        "sys.exit(any(name.partition('.')[0] in ('torch', 'onnx', 'takt_models', 'sklearn') "
        "for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_card_says_what_speaks_against_the_model(make_bundle: MakeBundle) -> None:
    finding = {"code": "few_steps", "text": "50 steps", "remedy": "fit it longer"}
    tested = {
        "pictures": 6,
        "sizes": [{"side_px": 16, "defects": 18, "found": 17}],
        "findings": [finding],
        "made_at": "2026-01-01T00:00:00+00:00",
    }
    text = card(make_bundle(self_test=tested).manifest)
    assert "finds 17 of 18 made-up defects; the smallest found is about 16 pixels" in text
    assert "- **few_steps**: 50 steps; fit it longer" in text
    assert ["16", "17 of 18 (94.4%)"] in rows(text)


def test_a_card_says_what_movement_a_model_bears(make_bundle: MakeBundle) -> None:
    text = card(make_bundle(self_test=self_test() | {"bears": BEARS}).manifest)
    assert "it bears: shifts to 2 %; beyond that good parts are rejected." in text
    assert "it bears" not in card(make_bundle(version="2", self_test=self_test()).manifest)


def test_a_card_says_what_a_version_was_taught(make_bundle: MakeBundle) -> None:
    taught = TaughtRecord(
        base="3",
        defects=20,
        good=4,
        kinds={"scratch": 15, "": 5},
        found_before=9,
        found=14,
        bank_found_before=9,
        bank_found=8,
    )
    text = card(make_bundle(taught=taught).manifest)
    assert "taught by 20 judged defects (scratch 15, no kind named 5)" in text
    assert "| 3 | 9 of 20 (45.0%) | 9 of 20 (45.0%) |" in text
    assert "| this one | 14 of 20 (70.0%) | 8 of 20 (40.0%) |" in text
    assert "## Taught" not in card(make_bundle(version="2").manifest)


def test_a_card_says_that_no_self_test_was_made(bundle: Bundle) -> None:
    assert "None was made" in card(bundle.manifest)
