from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from takt.core.bundles.bundle import (
    GOLDEN,
    MANIFEST,
    MODEL,
    Bundle,
    Calibration,
    load_bundle,
)
from takt.core.bundles.manifest import CALIBRATION
from takt.core.bundles.reading import file_sha256
from takt.core.bundles.writing import replace_calibration
from takt.core.errors import BundleError
from tests.manifests import rewrite_manifest


def test_a_bundle_comes_back_as_it_was_saved(bundle: Bundle) -> None:
    again = load_bundle(bundle.path)
    assert again.manifest == bundle.manifest
    assert np.array_equal(again.golden.images, bundle.golden.images)
    assert np.array_equal(again.calibration.good_score, bundle.calibration.good_score)
    assert set(again.manifest.files) == {MODEL, GOLDEN, "calibration.npz"}


def test_a_bundle_from_before_recalibration_still_loads(bundle: Bundle) -> None:
    def as_before(manifest: dict[str, Any]) -> None:
        for name in ("calibration", "sizes", "digest"):
            del manifest[name]
        for name in ("defect_count", "found_at", "notes"):
            del manifest["thresholds"][name]
        manifest["files"][CALIBRATION] = file_sha256(bundle.path / CALIBRATION)

    newer = ("seen", "parts")
    old = {key: value for key, value in vars(bundle.calibration).items() if key not in newer}
    np.savez_compressed(bundle.path / CALIBRATION, allow_pickle=False, **old)
    rewrite_manifest(bundle.path, as_before)
    again = load_bundle(bundle.path)
    assert again.calibration.seen.size == again.calibration.parts.size == 0
    assert again.manifest == bundle.manifest.model_copy(
        update={"files": again.manifest.files, "sizes": {}, "digest": None}
    )


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
            lambda m: m["preprocess"].update(
                width=10**6, height=10**6, crop={"x": 0, "y": 0, "width": 32, "height": 32}
            ),
            "more than 67108864 pixels",
        ),
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
    rewrite_manifest(bundle.path, change)
    with pytest.raises(BundleError, match=complaint):
        load_bundle(bundle.path)


def test_a_threshold_that_is_no_number_is_refused(bundle: Bundle) -> None:
    rewrite_manifest(
        bundle.path, lambda m: (m["thresholds"].update(image=float("nan")), m.pop("digest"))
    )
    with pytest.raises(BundleError, match=r"thresholds\.image|Invalid JSON"):
        load_bundle(bundle.path)


def test_a_manifest_that_is_no_json_is_refused(bundle: Bundle) -> None:
    (bundle.path / MANIFEST).write_text("{")
    with pytest.raises(BundleError, match=r"manifest\.json: the file: Invalid JSON"):
        load_bundle(bundle.path)


def test_the_parts_that_calibrate_come_back(bundle: Bundle) -> None:
    ids = np.array(["A-17", "", *(f"{number:064}" for number in range(38))])
    calibration = replace(bundle.calibration, parts=ids)
    replace_calibration(bundle, calibration, bundle.manifest.thresholds, map_low=0.1)
    assert load_bundle(bundle.path).calibration.parts.tolist() == ids.tolist()


def test_an_id_that_is_too_long_is_refused(bundle: Bundle) -> None:
    calibration = replace(bundle.calibration, parts=np.array(["x" * 65] * 40))
    with pytest.raises(BundleError, match="parts claims to be"):
        replace_calibration(bundle, calibration, bundle.manifest.thresholds, map_low=0.1)


def test_parts_that_are_not_those_of_the_good_scores_are_refused() -> None:
    scores, none = np.zeros(3, np.float32), np.zeros(0, np.float32)
    with pytest.raises(BundleError, match="each good score needs its part"):
        Calibration(scores, scores, none, none, parts=np.array(["1", "2"]))


def test_scores_without_their_peaks_are_refused() -> None:
    scores, none = np.zeros(3, np.float32), np.zeros(0, np.float32)
    with pytest.raises(BundleError, match="each score needs its peak"):
        Calibration(scores, scores[:2], none, none)
