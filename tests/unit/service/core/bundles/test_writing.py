import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from takt.core.bundles import writing as module
from takt.core.bundles.bundle import (
    GOLDEN,
    MANIFEST,
    MODEL,
    Bundle,
    Calibration,
    load_bundle,
)
from takt.core.bundles.manifest import CALIBRATION, Thresholds
from takt.core.bundles.writing import replace_calibration
from takt.core.errors import BundleError
from tests.manifests import rewrite_manifest


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


@pytest.mark.parametrize("from_before", [False, True])
def test_a_later_change_keeps_digest_and_sizes(bundle: Bundle, from_before: bool) -> None:
    if from_before:
        rewrite_manifest(bundle.path, lambda fields: (fields.pop("digest"), fields.pop("sizes")))
        bundle = load_bundle(bundle.path)
    changed = replace_calibration(bundle, calibration(0.25), thresholds(0.25), map_low=0.2)
    manifest = load_bundle(bundle.path).manifest
    assert manifest.digest is not None
    assert manifest.digest != bundle.manifest.digest
    assert manifest.sizes == {
        name: (bundle.path / name).stat().st_size for name in changed.manifest.files
    }


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


def test_a_calibration_of_infinite_thresholds_is_never_written(bundle: Bundle) -> None:
    with pytest.raises(ValueError, match="finite"):
        replace_calibration(bundle, calibration(0.25), thresholds(0.25), map_low=float("nan"))
    assert load_bundle(bundle.path).manifest == bundle.manifest
