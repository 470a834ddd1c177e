from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

from takt.core.bundles.bundle import Bundle, Golden
from takt.core.bundles.thresholds import DeployedThresholds, Overrides
from takt.core.pictures.placement import placement
from takt_export.errors import InspectorError
from takt_export.evaluation.deployed import deployed_beside
from takt_export.evaluation.inspectors import LocalInspector, check_same_model
from tests import watched

Encode = Callable[..., bytes]


def test_the_local_inspector_judges_by_the_bundle(bundle: Bundle, picture_bytes: Encode) -> None:
    with LocalInspector(bundle, threads=1) as inspector:
        dark = inspector.inspect(picture_bytes(51))
        spotted = inspector.inspect(picture_bytes(51, spot=255))
        check_same_model(inspector, bundle)
    assert dark.score == pytest.approx(0.2, abs=1e-6)
    assert (dark.anomalous, spotted.anomalous) == (False, True)
    assert dark.threshold == bundle.manifest.thresholds.image
    assert (dark.width, dark.height) == (64, 48)
    assert dark.placed == placement(bundle.manifest.preprocess, 64, 48)
    assert dark.anomaly_map.shape == (32, 32)
    assert dark.total_ms > 0


def test_the_local_inspector_takes_the_score_where_the_bundle_says(make_bundle) -> None:
    bundle = make_bundle(score_from="map_on_picture")
    noise = np.random.default_rng(3).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    with LocalInspector(bundle, threads=1) as inspector:
        answer = inspector.inspect(cv2.imencode(".png", noise)[1].tobytes())
        check_same_model(inspector, bundle)
    anomaly_map = torch.from_numpy(answer.anomaly_map)[None, None]
    resized = functional.interpolate(anomaly_map, (48, 64), mode="bilinear")
    assert answer.score == pytest.approx(float(resized.max()), abs=1e-6)
    assert answer.score < float(anomaly_map.max()) - 1e-3


def test_the_same_model_is_told_by_whole_levels_where_its_graph_takes_others(make_bundle) -> None:
    bundle = make_bundle(input_type="float32")
    images = bundle.golden.images * np.float32(0.99)
    anomaly_map = images.mean(axis=-1) / np.float32(255)
    golden = Golden(images, anomaly_map, anomaly_map.max(axis=(1, 2)))
    same = replace(bundle, golden=golden)
    with LocalInspector(same, threads=1) as inspector:
        check_same_model(inspector, same)
    with (
        LocalInspector(make_bundle(version="2", scale=0.9, input_type="float32")) as another,
        pytest.raises(InspectorError, match="another model"),
    ):
        check_same_model(another, same)


def test_a_picture_that_cannot_be_judged_is_rejected_where_such_get_no_decision(
    bundle: Bundle,
) -> None:
    known = watched.with_facts(bundle)
    assert not deployed_beside(known).undecided
    DeployedThresholds(known, Overrides()).change(
        image=None, pixel=None, undecided=True, reason="the lamp failed"
    )
    assert deployed_beside(known).undecided
    pictures = watched.encoded(100), watched.encoded(101, light=0.02)
    for undecided, rejected in ((False, [False, False]), (True, [False, True])):
        with LocalInspector(known, threads=1, undecided=undecided) as inspector:
            assert [inspector.inspect(one).anomalous for one in pictures] == rejected


def test_a_bundle_that_does_not_know_its_good_pictures_judges_every_one(
    bundle: Bundle, picture_bytes: Encode
) -> None:
    with LocalInspector(bundle, threads=1, undecided=True) as inspector:
        assert not inspector.inspect(picture_bytes(0)).anomalous
