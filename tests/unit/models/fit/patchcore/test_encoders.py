from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

import takt_models.fit.patchcore.encoders as encoders
from takt_models.checkpoints.facts import InputRecipe
from takt_models.fit.device import Compute
from takt_models.fit.inpformer.encoders import Pretrained
from takt_models.fit.patchcore.encoders import encoder_of, load_into
from takt_models.fit.patchcore.fit import fit_patchcore
from takt_models.fit.patchcore.options import PatchCoreOptions
from takt_models.inpformer.config import InpFormerConfig
from takt_models.inpformer.detector import InpFormer
from takt_models.input_size import InputSize
from takt_models.patchcore.bank import LEAST_DISTANCE
from takt_models.patchcore.config import USUAL_SIDES
from takt_models.patchcore.detector import PatchCore

THIN = InpFormerConfig(
    embed_dim=16,
    encoder_heads=2,
    decoder_heads=2,
    target_blocks=(0, 2),
    decoder_depth=1,
    encoder_groups=((0, 1),),
    decoder_groups=((0,),),
    width=56,
    height=56,
)


@pytest.fixture
def thin_dinov2(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thin DINOv2 in the place of any."""

    def pretrained(choice: str, size: InputSize) -> Pretrained:
        torch.manual_seed(0)
        config = replace(THIN, width=size.width, height=size.height)
        recipe = InputRecipe(size.width, size.height, "pillow_bilinear")
        return Pretrained(choice, config, recipe, InpFormer(config).encoder.state_dict())

    monkeypatch.setitem(USUAL_SIDES, "dinov2", 56)
    monkeypatch.setattr(encoders, "pretrained", pretrained)


def load(path: Path) -> NDArray[np.uint8]:
    noise = np.random.default_rng(int(path.stem))
    return noise.integers(0, 256, (56, 56, 3), dtype=np.uint8)


def test_a_dinov2_sees_the_whole_picture_and_gives_its_deepest_block(thin_dinov2: None) -> None:
    found = encoder_of("d.pth")
    assert found.recipe == InputRecipe(56, 56, "pillow_bilinear")
    assert (found.config.encoder, found.config.layers) == ("dinov2", (2,))
    assert found.config.variant == "dim16"


def test_a_bank_of_a_dinov2_compares_the_directions_of_its_tokens(thin_dinov2: None) -> None:
    good = tuple(Path(f"{number}.png") for number in range(6))
    fitted = fit_patchcore(
        (good,),
        load,
        encoder_of("d.pth"),
        PatchCoreOptions(bank_size=20),
        Compute.choose("cpu", bf16=False),
        quiet=True,
    )
    model = fitted.model
    (bank,) = model.banks
    assert bank.vectors.shape == (20, 16)
    assert model.map_size == (4, 4)
    pixels = torch.from_numpy(np.stack([load(path) for path in good])).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        tokens = F.normalize(
            model.encoder.get_submodule("tokens")(model.normalize(pixels))[0], dim=-1
        )
        nearest = (tokens @ F.normalize(bank.vectors, dim=-1).T).amax(-1)
        expected = (2 * (1 - nearest)).clamp_min(LEAST_DISTANCE**2).sqrt()
        (distances,) = model.distances(model.embed(model.normalize(pixels)))
        torch.testing.assert_close(distances.flatten(1), expected, atol=2e-3, rtol=0)


def test_a_dinov2_takes_inputs_that_are_no_squares(thin_dinov2: None) -> None:
    found = encoder_of("d.pth", width=112, height=56)
    assert found.recipe == InputRecipe(112, 56, "pillow_bilinear")
    model = PatchCore(found.config).eval()
    load_into(model.encoder, found)
    assert model(torch.rand(1, 3, 56, 112))[0].shape == (1, 4, 8)
