from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from takt_models.detector import IMAGENET_MEAN, IMAGENET_STD
from takt_models.efficientad.config import TEACHER_CHANNELS, EfficientAdConfig, MapRecipe, Size
from takt_models.efficientad.detector import PDN, Autoencoder, Differences, EfficientAd

QUANTILES = [1.0, 3.0, 2.0, 6.0]


@pytest.fixture(scope="module")
def model() -> EfficientAd:
    """A detector whose networks answer constants: t = 3, s = 1 and 2, a = 5."""
    model = EfficientAd(EfficientAdConfig())
    first = torch.arange(2 * TEACHER_CHANNELS) < TEACHER_CHANNELS
    for conv, bias in (
        (model.teacher.conv4, torch.full((TEACHER_CHANNELS,), 3.0)),
        (model.student.conv4, torch.where(first, 1.0, 2.0)),
        (model.autoencoder.decoder.deconv8, torch.full((TEACHER_CHANNELS,), 5.0)),
    ):
        torch.nn.init.zeros_(conv.weight)
        conv.bias = torch.nn.Parameter(bias)
    return model.eval()


@pytest.fixture(scope="module")
def shell() -> EfficientAd:
    """A detector of which only the maps' arithmetic is used."""
    model = EfficientAd(EfficientAdConfig())
    model.quantiles.copy_(torch.tensor(QUANTILES))
    return model


def with_recipe(shell: EfficientAd, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> EfficientAd:
    config = replace(shell.config, **changes)
    monkeypatch.setattr(shell, "config", config)
    monkeypatch.setattr(shell, "map_size", config.map_size)
    return shell


def constant_maps(st: float, ae: float, side: int = 56) -> Differences:
    return Differences(*(torch.full((1, 1, side, side), float(value)) for value in (st, ae)))


@torch.no_grad()
@pytest.mark.parametrize("size", ["small", "medium"])
@pytest.mark.parametrize(("padding", "cells"), [(False, (8, 16)), (True, (16, 24))])
def test_a_pdn_answers_one_cell_for_each_four_pixels(
    size: Size, padding: bool, cells: tuple[int, int]
) -> None:
    network = PDN(size, 5, padding=padding)
    assert network(torch.zeros(1, 3, 64, 96)).shape == (1, 5, *cells)


@torch.no_grad()
@pytest.mark.parametrize("size", ["small", "medium"])
def test_a_pdn_describes_patches_of_33_pixels_at_a_stride_of_4(size: Size) -> None:
    torch.manual_seed(0)
    network, image = PDN(size, 6), torch.rand(1, 3, 49, 49)
    whole = network(image)
    for row, column in ((0, 0), (2, 3)):
        patch = image[:, :, 4 * row : 4 * row + 33, 4 * column : 4 * column + 33]
        torch.testing.assert_close(network(patch)[0, :, 0, 0], whole[0, :, row, column])


@torch.no_grad()
@pytest.mark.parametrize("padding", [False, True])
def test_the_autoencoder_answers_on_the_teachers_grid(padding: bool) -> None:
    image = torch.zeros(1, 3, 256, 288)
    teacher = PDN("small", TEACHER_CHANNELS, padding=padding)
    assert Autoencoder(padding=padding).eval()(image).shape == teacher(image).shape


@torch.no_grad()
def test_the_autoencoder_enlarges_through_the_papers_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    enlarge = F.interpolate

    def watched(x: torch.Tensor, size: tuple[int, int], **kwargs: Any) -> torch.Tensor:
        assert size[0] == size[1]
        sizes.append(size[0])
        return enlarge(x, size=size, **kwargs)

    monkeypatch.setattr(F, "interpolate", watched)
    Autoencoder().eval()(torch.zeros(1, 3, 256, 256))
    assert sizes == [3, 8, 15, 32, 63, 127, 56]


def test_the_autoencoder_drops_features_only_while_it_is_fitted() -> None:
    torch.manual_seed(0)
    network, image = Autoencoder(), torch.rand(1, 3, 256, 256)
    with torch.no_grad():
        assert not torch.equal(network(image), network(image))
        network.eval()
        assert torch.equal(network(image), network(image))


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        ({"width": 270}, "width is 270; it must be a multiple of 32"),
        ({"height": 1000}, "height is 1000; it must be a multiple of 32"),
        ({"width": 0}, "width is 0; it must be at least 256"),
        (
            {"width": 640, "height": 224},
            "height is 224; it must be at least 256, as the autoencoder's encoder ends in a "
            "convolution of 8 x 8",
        ),
    ],
)
def test_an_input_that_the_networks_cannot_take_is_refused_with_the_reason(
    sides: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        EfficientAdConfig(**sides)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "map_size"),
    [
        ({}, (256, 640)),
        ({"recipe": "nelson1425"}, (64, 160)),
        ({"recipe": "nelson1425", "pad_maps": False}, (56, 152)),
    ],
)
def test_a_wide_input_gives_a_wide_map(changes: dict[str, Any], map_size: tuple[int, int]) -> None:
    config = EfficientAdConfig(width=640, height=256, teacher_channels=2, **changes)
    with torch.device("meta"):
        model = EfficientAd(config)
        anomaly_map, score = model(torch.zeros(2, 3, 256, 640))
    assert model.input_size == (256, 640)
    assert model.map_size == anomaly_map.shape[1:] == map_size
    assert score.shape == (2,)


@torch.no_grad()
def test_a_turned_model_answers_a_turned_picture_with_the_turned_map() -> None:
    torch.manual_seed(0)
    wide = EfficientAd(EfficientAdConfig(width=320, teacher_channels=4)).eval()
    tall = EfficientAd(EfficientAdConfig(height=320, teacher_channels=4)).eval()
    turned = {
        name: weight.transpose(2, 3) if weight.ndim == 4 else weight
        for name, weight in wide.state_dict().items()
    }
    tall.load_state_dict(turned)
    image = torch.rand(1, 3, 256, 320)
    expected, score = wide(image)
    found, same_score = tall(image.transpose(2, 3))
    torch.testing.assert_close(found, expected.transpose(1, 2))
    torch.testing.assert_close(same_score, score)


def test_the_input_is_normalised_as_imagenet_was(shell: EfficientAd) -> None:
    mean = torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    assert torch.equal(shell.normalize(mean), torch.zeros(1, 3, 2, 2))
    one_up = shell.normalize(mean + torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))
    torch.testing.assert_close(one_up, torch.ones(1, 3, 2, 2))


@torch.no_grad()
def test_the_raw_maps_are_the_papers_two_differences(model: EfficientAd) -> None:
    raw = model.differences(torch.zeros(1, 3, 256, 256))
    assert raw.st.shape == raw.ae.shape == (1, 1, 56, 56)
    torch.testing.assert_close(raw.st, torch.full_like(raw.st, (3 - 1) ** 2))
    torch.testing.assert_close(raw.ae, torch.full_like(raw.ae, (5 - 2) ** 2))


@torch.no_grad()
def test_the_teachers_output_is_normalised_by_channel(model: EfficientAd) -> None:
    saved = model.state_dict()
    saved = {name: saved[name].clone() for name in ("teacher_mean", "teacher_std")}
    model.teacher_mean[0, 7] = 1
    model.teacher_std[0, 7] = 4
    features = model.teach(torch.zeros(1, 3, 33, 33))
    model.load_state_dict(saved, strict=False)
    assert features[0, 7].item() == pytest.approx((3 - 1) / 4)
    assert features[0, 8].item() == pytest.approx(3)


@pytest.mark.parametrize(
    ("st", "ae", "expected"),
    [
        (1.0, 2.0, 0.0),
        (3.0, 6.0, 0.1),
        (3.0, 2.0, 0.05),
        (1.0, 6.0, 0.05),
        (0.0, 0.0, -0.05),
        (21.0, 2.0, 0.5),
    ],
)
def test_a_map_is_scaled_by_its_own_quantiles(
    shell: EfficientAd, st: float, ae: float, expected: float
) -> None:
    scaled = shell.scale(constant_maps(st, ae, side=2))
    torch.testing.assert_close(scaled, torch.full_like(scaled, expected))


@pytest.mark.parametrize(
    ("recipe", "side", "border"),
    [("nelson1425", 64, 0.0), ("anomalib", 256, 0.5 * 0.1 * (-1 / 2) + 0.5 * 0.1 * (-2 / 4))],
)
def test_each_recipe_has_its_own_border_and_size(
    shell: EfficientAd,
    monkeypatch: pytest.MonkeyPatch,
    recipe: MapRecipe,
    side: int,
    border: float,
) -> None:
    of_recipe = with_recipe(shell, monkeypatch, recipe=recipe)
    combined = of_recipe.combine(constant_maps(3, 6))
    assert combined.shape == (1, 1, side, side)
    assert of_recipe.map_size == (side, side)
    assert combined[0, 0, 0, 0].item() == pytest.approx(border, abs=1e-6)
    assert combined[0, 0, side // 2, side // 2].item() == pytest.approx(0.1, abs=1e-6)


def test_without_padding_the_maps_fill_the_picture(
    shell: EfficientAd, monkeypatch: pytest.MonkeyPatch
) -> None:
    combined = with_recipe(shell, monkeypatch, pad_maps=False).combine(constant_maps(3, 6))
    torch.testing.assert_close(combined, torch.full((1, 1, 256, 256), 0.1))


def test_a_map_comes_at_the_size_that_is_asked_for(shell: EfficientAd) -> None:
    assert shell.combine(constant_maps(3, 6), (30, 50)).shape == (1, 1, 30, 50)


@pytest.mark.parametrize(("recipe", "side"), [("nelson1425", 56), ("anomalib", 256)])
def test_each_recipe_takes_its_quantiles_on_its_own_maps(
    shell: EfficientAd, monkeypatch: pytest.MonkeyPatch, recipe: MapRecipe, side: int
) -> None:
    maps = with_recipe(shell, monkeypatch, recipe=recipe).quantile_maps(constant_maps(3, 6))
    assert maps.st.shape == maps.ae.shape == (1, 1, side, side)
    assert maps.st[0, 0, side // 2, side // 2].item() == pytest.approx(3)
    assert maps.ae[0, 0, side // 2, side // 2].item() == pytest.approx(6)


@torch.no_grad()
def test_the_score_is_the_maximum_of_each_map(
    model: EfficientAd, monkeypatch: pytest.MonkeyPatch
) -> None:
    st = torch.zeros(2, 1, 56, 56)
    st[0, 0, 10, 20], st[1, 0, 30, 40] = 5, 9
    raw = Differences(st, torch.zeros_like(st))
    monkeypatch.setattr(model, "differences", lambda x: raw)
    anomaly_map, score = model(torch.zeros(2, 3, 256, 256))
    assert anomaly_map.shape == (2, 256, 256)
    assert torch.equal(score, torch.stack([anomaly_map[0].max(), anomaly_map[1].max()]))
    assert 0 < score[0] < score[1]


@pytest.mark.parametrize(("share", "cells"), [(0.0, 1), (0.01, 10), (0.0001, 1), (0.5, 500)])
def test_the_score_is_the_mean_of_the_share_of_highest_cells(share: float, cells: int) -> None:
    model = EfficientAd(EfficientAdConfig(teacher_channels=4, scored_share=share))
    values = torch.randperm(1000, generator=torch.Generator().manual_seed(0)).float()
    expected = torch.arange(1000 - cells, 1000).float().mean()
    assert model.score_of(torch.stack([values, values + 1])).tolist() == pytest.approx(
        [expected.item(), expected.item() + 1]
    )


@pytest.mark.parametrize(
    "fields", [{"scored_share": -0.1}, {"scored_share": 1.0}, {"scored_share": float("nan")},
               {"scored_share": 0.01, "recipe": "nelson1425"}],
)  # fmt: skip
def test_a_share_that_means_nothing_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="scored_share"):
        EfficientAdConfig(**fields)
