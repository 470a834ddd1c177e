from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from takt.core.domain import RawPicture
from takt.core.engines.fake import FakeEngine
from takt.core.errors import ImageTooLargeError, RequestError
from takt.core.inspection.offline import inspect_offline
from takt.core.pictures.placement import placement


def encoded(picture: np.ndarray) -> bytes:
    done, data = cv2.imencode(".png", picture[..., ::-1])
    assert done
    return data.tobytes()


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (75, 100, 3), dtype=np.uint8)


def test_a_model_without_tiles_runs_once(bundle, noise) -> None:
    engine = FakeEngine()
    inspected = inspect_offline(engine, encoded(noise), bundle.manifest, 10_000)
    assert engine.batch_sizes == [1]
    assert inspected.answer.anomaly_map.shape == (32, 32)
    assert (inspected.width, inspected.height) == (100, 75)
    assert inspected.placed == placement(bundle.manifest.preprocess, 100, 75)


def test_a_model_with_tiles_gives_the_map_of_the_whole_picture(make_bundle, noise) -> None:
    tiling = {"width": 32, "height": 32, "overlap": 8, "blend": "linear"}
    manifest = make_bundle(tiling=tiling).manifest
    engine = FakeEngine()
    inspected = inspect_offline(engine, encoded(noise), manifest, 10_000)
    assert engine.batch_sizes == [1] * 4 * 3
    brightness = noise.mean(axis=-1) / 255
    np.testing.assert_allclose(inspected.answer.anomaly_map, brightness, rtol=0, atol=1e-6)
    assert inspected.answer.score == pytest.approx(brightness.max(), abs=1e-6)
    assert inspected.placed.box.width == 100


@pytest.mark.parametrize("tiles", [None, {"width": 20, "height": 20, "overlap": 4, "blend": "max"}])
@pytest.mark.parametrize("orientation", [3, 5, 6, 8])
def test_the_map_is_upright_whatever_the_model_sees(make_bundle, orientation, tiles) -> None:
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[4:8, 50:56] = 255
    exif = Pillow.Exif()
    exif[274] = orientation
    file = io.BytesIO()
    Pillow.fromarray(picture).save(file, "PNG", exif=exif)
    manifest = make_bundle(**({} if tiles is None else {"tiling": tiles})).manifest
    marks = []
    for choice in ("apply", "ignore"):
        preprocess = manifest.preprocess.model_copy(update={"orientation": choice})
        view = manifest.model_copy(update={"preprocess": preprocess})
        found = inspect_offline(FakeEngine(), file.getvalue(), view, 10_000)
        rows, columns = np.nonzero(found.answer.anomaly_map > 0.3)
        height, width = found.answer.anomaly_map.shape
        marks.append((rows.mean() / height, columns.mean() / width, found.width, found.height))
    assert marks[0] == pytest.approx(marks[1], abs=0.03)


def test_a_bad_picture_is_refused(make_bundle) -> None:
    tiling = {"width": 32, "height": 32, "overlap": 8, "blend": "max"}
    for manifest in (make_bundle().manifest, make_bundle(version="2", tiling=tiling).manifest):
        with pytest.raises(RequestError):
            inspect_offline(FakeEngine(), b"no picture at all", manifest, 10_000)


def test_a_picture_too_thin_for_its_tiles_is_refused_before_the_engine_runs(make_bundle) -> None:
    tiling = {"width": 512, "height": 512, "overlap": 64, "blend": "max"}
    manifest = make_bundle(tiling=tiling).manifest
    engine, thin = FakeEngine(), np.zeros((1, 2_200_000, 3), np.uint8)
    raw = RawPicture(thin.tobytes(), 2_200_000, 1, "rgb8")
    with pytest.raises(ImageTooLargeError):
        inspect_offline(engine, raw, manifest, 10_000_000)
    assert engine.batch_sizes == []
