"""Our EfficientAD with the weights of the public code gives what the public code gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.efficientad import Differences, EfficientAd, EfficientAdConfig
from models.fit.statistics import set_map_quantiles, set_teacher_statistics

TOLERANCE = 1e-4
PICTURES = range(4)

ANOMALIB_QUANTILES = ("qa_st", "qb_st", "qa_ae", "qb_ae")
PDN_LAYERS = {0: "conv1", 3: "conv2", 6: "conv3", 8: "conv4"}
AUTOENCODER_LAYERS = {
    **{2 * i: f"encoder.enconv{i + 1}" for i in range(6)},
    **{12 + 4 * i: f"decoder.deconv{i + 1}" for i in range(7)},
    38: "decoder.deconv8",
}
PICKLED_BY_NELSON1425: list[Any] = [
    nn.AvgPool2d,
    nn.Conv2d,
    nn.Dropout,
    nn.ReLU,
    nn.Sequential,
    nn.Upsample,
]


@dataclass(frozen=True)
class Case:
    """A model with foreign weights, what it and the foreign code computed, and where it lies."""

    folder: Path
    model: EfficientAd
    raw: Differences
    expected: Mapping[str, NDArray[np.float32]]

    def of(self, index: int) -> Differences:
        """The raw maps [1,1,56,56] of one picture."""
        return Differences(*(maps[index : index + 1] for maps in self.raw))

    def final_map(self, index: int) -> NDArray[np.float32]:
        """The foreign code's map, at the size at which it gave it."""
        if self.model.config.recipe == "anomalib":
            return np.asarray(self.expected["final_map"][index])
        return np.asarray(self.expected[f"final_map_{index}"])


def assert_alike(ours: Tensor, theirs: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=TOLERANCE)


@torch.no_grad()
def computed(
    folder: Path, model: EfficientAd, x: Tensor, expected: Mapping[str, NDArray[np.float32]]
) -> Case:
    model.eval()
    return Case(folder, model, model.differences(x), expected)


@pytest.fixture(scope="module")
def anomalib(fixtures: Path) -> Case:
    folder = fixtures / "efficientad_anomalib_s"
    stored = torch.load(folder / "model.ckpt", map_location="cpu", weights_only=True)["state_dict"]
    model = EfficientAd(EfficientAdConfig(recipe="anomalib"))
    parts = (("teacher.", "teacher."), ("student.", "student."), ("ae.", "autoencoder."))
    weights = {
        ours + name.removeprefix("model." + theirs): value
        for theirs, ours in parts
        for name, value in stored.items()
        if name.startswith("model." + theirs)
    }
    weights["teacher_mean"] = stored["model.mean_std.mean"]
    weights["teacher_std"] = stored["model.mean_std.std"]
    weights["quantiles"] = torch.stack([stored[f"model.quantiles.{q}"] for q in ANOMALIB_QUANTILES])
    model.load_state_dict(weights)
    expected = np.load(folder / "expected.npz")
    return computed(folder, model, model.normalize(torch.from_numpy(expected["input"])), expected)


@pytest.fixture(scope="module")
def nelson1425(fixtures: Path) -> Case:
    folder = fixtures / "efficientad_nelson_s"
    expected = np.load(folder / "expected.npz")
    model = EfficientAd(EfficientAdConfig(recipe="nelson1425"))
    weights = {
        "teacher_mean": torch.from_numpy(expected["teacher_mean"]),
        "teacher_std": torch.from_numpy(expected["teacher_std"]),
        "quantiles": torch.from_numpy(expected["quantiles"]),
    }
    for part in ("teacher", "student", "autoencoder"):
        layers = AUTOENCODER_LAYERS if part == "autoencoder" else PDN_LAYERS
        with torch.serialization.safe_globals(PICKLED_BY_NELSON1425):
            network = torch.load(folder / f"{part}_final.pth", "cpu", weights_only=True)
        for key, value in network.state_dict().items():
            index, kind = key.split(".")
            weights[f"{part}.{layers[int(index)]}.{kind}"] = value
    model.load_state_dict(weights)
    return computed(folder, model, torch.from_numpy(expected["input"]), expected)


@pytest.fixture(scope="module", params=["anomalib", "nelson1425"])
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("index", PICTURES)
def test_the_raw_maps_are_theirs(case: Case, index: int) -> None:
    ours = case.of(index)
    assert_alike(ours.st[0, 0], case.expected["raw_map_st"][index])
    assert_alike(ours.ae[0, 0], case.expected["raw_map_ae"][index])


@pytest.mark.parametrize("index", PICTURES)
def test_the_final_map_and_the_score_are_theirs(case: Case, index: int) -> None:
    theirs = case.final_map(index)
    ours = case.model.combine(case.of(index), (theirs.shape[0], theirs.shape[1]))[0, 0]
    assert_alike(ours, theirs)
    assert_alike(ours.max(), case.expected["image_score"][index])


@torch.no_grad()
def test_the_whole_model_gives_the_map_and_the_score_of_anomalib(anomalib: Case) -> None:
    anomaly_map, score = anomalib.model(torch.from_numpy(anomalib.expected["input"][1:2]))
    assert_alike(anomaly_map[0], anomalib.expected["final_map"][1])
    assert_alike(score[0], anomalib.expected["image_score"][1])


@pytest.mark.parametrize("index", PICTURES)
def test_the_combined_map_of_nelson1425_is_theirs(nelson1425: Case, index: int) -> None:
    ours = nelson1425.model.scale(nelson1425.of(index))[0, 0]
    assert_alike(ours, nelson1425.expected["map_combined_56"][index])


def test_the_quantiles_of_anomalib_lie_where_we_read_them(anomalib: Case) -> None:
    np.testing.assert_array_equal(anomalib.model.quantiles, anomalib.expected["quantiles"])


def test_the_statistics_that_nelson1425_does_not_save_come_back(nelson1425: Case) -> None:
    image_module = pytest.importorskip("PIL.Image", reason="their pictures are resized by Pillow")

    def read(name: str) -> Tensor:
        picture = image_module.open(nelson1425.folder / "good" / name).convert("RGB")
        resized = np.asarray(picture.resize((256, 256), image_module.Resampling.BILINEAR))
        return torch.from_numpy(resized.copy()).permute(2, 0, 1)[None].float() / 255

    expected = nelson1425.expected
    model = EfficientAd(nelson1425.model.config)
    model.load_state_dict(nelson1425.model.state_dict())
    model.eval()
    model.teacher_mean.zero_()
    model.teacher_std.fill_(1)
    model.quantiles.zero_()

    set_teacher_statistics(model, map(read, expected["train_files"]))
    set_map_quantiles(model, map(read, expected["validation_files"]))

    for name in ("teacher_mean", "teacher_std", "quantiles"):
        assert_alike(getattr(model, name), expected[name])
