import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.bundles import writing as module
from service.bundles.bundle import (
    GOLDEN,
    MANIFEST,
    MODEL,
    Bundle,
    Calibration,
    file_sha256,
    load_bundle,
)
from service.bundles.manifest import CALIBRATION, Thresholds
from service.bundles.writing import replace_calibration
from service.errors import BundleError


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = path / MANIFEST
    manifest = json.loads(file.read_text())
    change(manifest)
    file.write_text(json.dumps(manifest))


def test_a_bundle_comes_back_as_it_was_saved(bundle: Bundle) -> None:
    again = load_bundle(bundle.path)
    assert again.manifest == bundle.manifest
    assert np.array_equal(again.golden.images, bundle.golden.images)
    assert np.array_equal(again.calibration.good_score, bundle.calibration.good_score)
    assert set(again.manifest.files) == {MODEL, GOLDEN, "calibration.npz"}


def test_a_version_is_never_overwritten(bundle: Bundle, make_bundle: Callable[[], Bundle]) -> None:
    with pytest.raises(BundleError, match="never changed"):
        make_bundle()


def test_a_failed_save_leaves_nothing_behind(
    repository: Path, make_bundle: Callable[..., Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("onnx.save", full_disk)
    with pytest.raises(OSError, match="no space left"):
        make_bundle()
    assert list((repository / "parts").iterdir()) == []


def calibration(level: float) -> Calibration:
    scores = np.full(3, level, np.float32)
    return Calibration(scores, scores, scores[:1], scores[:1], np.array(["ab", "cd"]))


def thresholds(level: float) -> Thresholds:
    return Thresholds(
        image=level, pixel=level, method="by hand", good_count=3, found_at="2026-02-02T00:00:00Z"
    )


def test_a_new_calibration_leaves_graph_and_golden_answers_alone(bundle: Bundle) -> None:
    before = {name: (bundle.path / name).stat().st_mtime_ns for name in (MODEL, GOLDEN)}
    found = replace_calibration(bundle, calibration(0.25), thresholds(0.25), map_low=0.2)
    again = load_bundle(bundle.path)
    assert again.manifest == found.manifest
    assert again.manifest.thresholds == thresholds(0.25)
    assert again.manifest.map.low == 0.2
    assert again.calibration.good_score.tolist() == [0.25] * 3
    assert again.calibration.seen.tolist() == ["ab", "cd"]
    assert {name: (bundle.path / name).stat().st_mtime_ns for name in before} == before
    assert {file.name for file in bundle.path.iterdir()} == {
        MANIFEST, MODEL, GOLDEN, again.manifest.calibration,
    }  # fmt: skip


def test_a_calibration_can_be_repeated(bundle: Bundle) -> None:
    once = replace_calibration(bundle, calibration(0.25), thresholds(0.25), map_low=0.2)
    twice = replace_calibration(once, calibration(0.25), thresholds(0.3), map_low=0.2)
    assert load_bundle(bundle.path).manifest == twice.manifest
    assert twice.manifest.thresholds.image == 0.3


@pytest.mark.parametrize("writes", [0, 1])
def test_a_calibration_that_is_cut_off_leaves_the_former_bundle(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    done: list[Path] = []

    def cut_off(path: Path, data: bytes) -> None:
        if len(done) == writes:
            raise KeyboardInterrupt
        done.append(path)
        path.write_bytes(data)

    monkeypatch.setattr(module, "write_atomically", cut_off)
    with pytest.raises(KeyboardInterrupt):
        replace_calibration(bundle, calibration(0.25), thresholds(0.25), map_low=0.2)
    again = load_bundle(bundle.path)
    assert again.manifest == bundle.manifest
    assert again.calibration.good_score.size == 40


def test_a_calibration_that_is_cut_off_at_the_end_leaves_the_new_bundle(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_unlink(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "unlink", no_unlink)
    replace_calibration(bundle, calibration(0.25), thresholds(0.25), map_low=0.2)
    assert load_bundle(bundle.path).manifest.thresholds.image == 0.25
    assert (bundle.path / CALIBRATION).exists()


def test_a_bundle_from_before_recalibration_still_loads(bundle: Bundle) -> None:
    def as_before(manifest: dict[str, Any]) -> None:
        del manifest["calibration"]
        for name in ("defect_count", "found_at", "notes"):
            del manifest["thresholds"][name]
        manifest["files"][CALIBRATION] = file_sha256(bundle.path / CALIBRATION)

    old = {key: value for key, value in vars(bundle.calibration).items() if key != "seen"}
    np.savez_compressed(bundle.path / CALIBRATION, allow_pickle=False, **old)
    rewrite(bundle.path, as_before)
    again = load_bundle(bundle.path)
    assert again.calibration.seen.size == 0
    assert again.manifest == bundle.manifest.model_copy(update={"files": again.manifest.files})


def test_a_calibration_of_infinite_thresholds_is_never_written(bundle: Bundle) -> None:
    with pytest.raises(ValueError, match="finite"):
        replace_calibration(bundle, calibration(0.25), thresholds(0.25), map_low=float("nan"))
    assert load_bundle(bundle.path).manifest == bundle.manifest


@pytest.mark.parametrize("name", [MODEL, GOLDEN])
def test_a_changed_file_is_refused(bundle: Bundle, name: str) -> None:
    (bundle.path / name).write_bytes(b"something else")
    with pytest.raises(BundleError, match="not the file that was exported"):
        load_bundle(bundle.path)


def test_a_missing_file_is_named(bundle: Bundle) -> None:
    (bundle.path / MODEL).unlink()
    with pytest.raises(BundleError, match=r"model\.onnx is missing"):
        load_bundle(bundle.path)


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is no bundle"):
        load_bundle(tmp_path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda m: m.update(format_version=2), "format_version"),
        (lambda m: m.update(unheard_of=1), "unheard_of"),
        (lambda m: m.pop("thresholds"), "thresholds"),
        (lambda m: m["preprocess"].update(width=0), r"preprocess\.width"),
        (
            lambda m: m["preprocess"].update(crop={"x": 9, "y": 0, "width": 32, "height": 32}),
            "reaches beyond",
        ),
        (lambda m: m.update(name="../../etc"), "name"),
        (lambda m: m["files"].update({"../secret": "0"}), "outside the bundle"),
        (lambda m: m["files"].pop(GOLDEN), r"lists no golden\.npz"),
        (lambda m: m["map"].update(width=7), "arrays of shapes"),
        (lambda m: m.update(max_batch_size=0), "max_batch_size"),
        (lambda m: m.update(calibration="../calibration.npz"), "calibration"),
        (lambda m: m.update(calibration="calibration-1.npz"), r"lists no calibration-1\.npz"),
        (
            lambda m: (
                m.update(score_from="map_on_picture"),
                m["preprocess"].update(crop={"x": 0, "y": 0, "width": 32, "height": 32}),
            ),
            "cannot be scored on the whole picture",
        ),
    ],
)
def test_a_wrong_manifest_is_refused_by_the_field(
    bundle: Bundle, change: Callable[[dict[str, Any]], object], complaint: str
) -> None:
    rewrite(bundle.path, change)
    with pytest.raises(BundleError, match=complaint):
        load_bundle(bundle.path)


def test_a_threshold_that_is_no_number_is_refused(bundle: Bundle) -> None:
    rewrite(bundle.path, lambda m: m["thresholds"].update(image=float("nan")))
    with pytest.raises(BundleError, match=r"thresholds\.image|Invalid JSON"):
        load_bundle(bundle.path)


def test_a_manifest_that_is_no_json_is_refused(bundle: Bundle) -> None:
    (bundle.path / MANIFEST).write_text("{")
    with pytest.raises(BundleError, match=r"manifest\.json: the file: Invalid JSON"):
        load_bundle(bundle.path)
