from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from takt.core.engines.onnxruntime import OnnxRuntimeEngine
from takt_export.bundling.graph import write_graph
from takt_models.checkpoints.facts import InputRecipe
from takt_models.checkpoints.formats import load_checkpoint
from takt_models.checkpoints.own import FitFacts, save_checkpoint
from takt_models.fit.device import Compute
from takt_models.fit.patchcore import locating
from takt_models.fit.patchcore.encoders import PatchCoreEncoder
from takt_models.fit.patchcore.fit import fit_patchcore, set_locator
from takt_models.fit.patchcore.locating import Gray, gray_of, taught
from takt_models.fit.patchcore.options import PatchCoreOptions
from takt_models.patchcore.config import PatchCoreConfig
from takt_models.patchcore.detector import PatchCore
from takt_models.patchcore.locator import Locator
from tests.patchcore import a_patchcore

Picture = NDArray[np.uint8]
WIDTH, HEIGHT = 160, 96
CONFIG = PatchCoreConfig((30, 40), WIDTH, HEIGHT)


@pytest.fixture(scope="module", autouse=True)
def few_lessons() -> Iterator[None]:
    """As many as so small a picture takes."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(locating, "LESSONS", 1000)
        yield


def part_at(right: float, down: float, number: int, degrees: float = 0.0) -> Picture:
    """A bright part on a dark ground, with two holes, and a little noise."""
    picture = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
    cv2.rectangle(picture, (48, 30), (112, 66), (180, 170, 160), -1)
    cv2.circle(picture, (64, 48), 8, (40, 40, 40), -1)
    cv2.circle(picture, (98, 40), 5, (40, 40, 40), -1)
    matrix = cv2.getRotationMatrix2D(((WIDTH - 1) / 2, (HEIGHT - 1) / 2), degrees, 1)
    matrix[:, 2] += right * WIDTH, down * HEIGHT
    picture = cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT_101)
    noise = np.random.default_rng(number).integers(-3, 4, picture.shape)
    return np.asarray(np.clip(picture + noise, 0, 255), np.uint8)


def alike(number: int) -> Picture:
    return part_at(0, 0, number)


def loose(number: int) -> Picture:
    right, down = np.random.default_rng(number).uniform(-0.04, 0.04, 2)
    return part_at(right, down, number)


def locator_of(picture: Callable[[int], Picture], count: int = 24) -> Locator | None:
    def gray(number: int) -> Gray:
        return gray_of(picture(number))

    parts = [[number] for number in range(count)]
    return taught(PatchCore(CONFIG), gray, parts, HEIGHT / WIDTH)


def image_of(picture: Picture) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)[None] / 255


@pytest.fixture(scope="module")
def locator() -> Locator:
    found = locator_of(alike)
    assert found is not None
    return found


@torch.no_grad()
@pytest.mark.parametrize(
    ("right", "down", "degrees"), [(0.03, 0, 0), (-0.04, 0.02, 0), (0, -0.05, 0), (0, 0, 4)]
)
def test_it_tells_how_far_an_unseen_part_lies_from_where_good_ones_do(
    locator: Locator, right: float, down: float, degrees: float
) -> None:
    told_x, told_y, told_degrees = locator(image_of(part_at(right, down, 1000, degrees)))[0]
    assert (float(told_x), float(told_y)) == pytest.approx((right, down), abs=0.012)
    assert float(told_degrees) == pytest.approx(degrees, abs=1.0)


@torch.no_grad()
def test_it_tells_no_movement_of_parts_that_lie_as_good_ones_do(locator: Locator) -> None:
    for number in range(1000, 1020):
        assert not locator(image_of(alike(number))).any()


@torch.no_grad()
def test_a_defect_on_one_quarter_of_the_picture_is_no_movement(locator: Locator) -> None:
    for left, top in ((20, 10), (90, 10), (20, 56), (90, 56)):
        picture = alike(1000)
        cv2.rectangle(picture, (left, top), (left + 30, top + 24), (250, 250, 250), -1)
        assert not locator(image_of(picture)).any()


def test_loose_parts_get_no_locator() -> None:
    assert locator_of(loose) is None


def test_what_looks_alike_everywhere_gets_no_locator() -> None:
    def cloth(number: int) -> Picture:
        noise = np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, 1), np.uint8)
        return noise.repeat(3, 2)

    assert locator_of(cloth) is None


def test_pictures_without_a_gray_contrast_get_no_locator() -> None:
    assert locator_of(lambda number: np.full((HEIGHT, WIDTH, 3), 90, np.uint8)) is None


def test_an_input_of_a_few_cells_gets_no_locator() -> None:
    small = PatchCore(PatchCoreConfig((1, 1), 32, 32))

    def gray(number: int) -> Gray:
        return gray_of(np.random.default_rng(number).integers(0, 256, (32, 32, 3), np.uint8))

    assert taught(small, gray, [[number] for number in range(24)], 1.0) is None


def test_few_parts_get_no_locator() -> None:
    assert locator_of(alike, 19) is None


def test_the_same_pictures_give_the_same_locator(locator: Locator) -> None:
    again = locator_of(alike)
    assert again is not None
    torch.testing.assert_close(again.weights, locator.weights)


@torch.no_grad()
def test_cells_from_beyond_the_border_are_at_most_usual_and_others_as_without(
    locator: Locator,
) -> None:
    image = image_of(part_at(0.05, 0, 1000))
    model = a_patchcore(CONFIG)
    bare, _ = model(image)
    set_locator(model, locator)
    found, score = model(image)
    new = locator.new_content(locator(image))
    # One of 20 columns came from beyond the border, and two each from beside it.
    assert new[0].all(0).nonzero().flatten().tolist() == [0, 1, 2, 19]
    assert not new[0, 2:-2, 3:19].any()
    assert float(found[new].max()) <= 0 < float(bare[new].max())
    assert torch.equal(found[~new], bare[~new])
    assert torch.equal(score, model.score_of(found.flatten(1)))


@pytest.mark.torch
@torch.no_grad()
def test_a_graph_tells_of_moved_parts_as_the_model_does(locator: Locator, tmp_path: Path) -> None:
    model = a_patchcore(CONFIG)
    set_locator(model, locator)
    write_graph(model, tmp_path / "model.onnx")
    moved = [alike(1000), part_at(0.05, 0, 1001), part_at(-0.03, 0.03, 1002, 3)]
    engine = OnnxRuntimeEngine.open(tmp_path / "model.onnx", threads=1)
    found = engine.infer(np.stack(moved))
    maps, scores = model(torch.cat([image_of(one) for one in moved]))
    np.testing.assert_allclose(found.score, scores, atol=2e-3)
    np.testing.assert_allclose(found.anomaly_map, maps, atol=2e-3)
    engine.close()


def test_a_checkpoint_keeps_the_locator(locator: Locator, tmp_path: Path) -> None:
    model = a_patchcore(CONFIG)
    set_locator(model, locator)
    facts = FitFacts(model.config, ("0123456789abcdef",), 1, 0, {"takt": "0.2.0"})
    save_checkpoint(tmp_path / "fitted.safetensors", model, facts)
    again = load_checkpoint(tmp_path / "fitted.safetensors").model
    assert isinstance(again, PatchCore)
    image = image_of(part_at(0.05, 0, 1000))
    with torch.no_grad():
        for found, former in zip(again.eval()(image), model(image), strict=True):
            torch.testing.assert_close(found, former)


def test_a_fit_of_parts_that_lie_alike_has_a_locator_where_their_shape_is_given() -> None:
    def load(path: Path) -> Picture:
        return alike(int(path.stem))

    weights = a_patchcore(CONFIG).encoder.state_dict()
    encoder = PatchCoreEncoder("random", CONFIG, InputRecipe(WIDTH, HEIGHT, "area"), weights)
    good = [[Path(f"{number}.png") for number in range(20)]]
    for aspect, locates in ((HEIGHT / WIDTH, True), (None, False)):
        options, compute = PatchCoreOptions(bank_size=70), Compute.choose("cpu", bf16=False)
        fitted = fit_patchcore(good, load, encoder, options, compute, aspect=aspect, quiet=True)
        assert fitted.model.config.locates is locates
        assert (fitted.model.locator is not None) is locates
