"""The rewritten models answer as the trained ones do; the graphs are compared in other tests."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from takt_export.bundling.rewrite import ErfGelu, Rewriting, rewritten, rewritten_transformer
from takt_export.families.efficientad.graph import RewrittenEfficientAd
from takt_export.families.inpformer.graph import INPFORMER_REWRITINGS, FoldedAttention
from takt_models.detector import Detector
from takt_models.efficientad.config import EfficientAdConfig
from takt_models.efficientad.detector import EfficientAd
from takt_models.inpformer.config import InpFormerConfig
from takt_models.inpformer.detector import InpFormer
from takt_models.inpformer.inp import GuidedAttention

pytestmark = pytest.mark.torch

EXACT = 1e-12
"""Of float64, whose rounding is some 1e-16 of a number: what differs more is another formula."""

MICRO = InpFormerConfig(
    embed_dim=48,
    encoder_heads=3,
    decoder_heads=4,
    target_blocks=(0, 1),
    decoder_depth=2,
    encoder_groups=((0,), (1,)),
    decoder_groups=((0,), (1,)),
    width=70,
    height=70,
    inp_count=5,
)


def micro(config: InpFormerConfig = MICRO) -> InpFormer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = InpFormer(config)
        for parameter in model.parameters():
            if parameter.ndim != 2:
                nn.init.uniform_(parameter, 0.3, 1.3)
    return model.double().eval()


def facts(model: nn.Module) -> list[tuple[str, object]]:
    return [(type(m).__name__, getattr(m, "fused_attn", None)) for m in model.modules()]


def pictures(side: int) -> Tensor:
    levels = np.random.default_rng(0).integers(0, 256, (2, 3, side, side))
    return torch.from_numpy(levels).double() / 255


def assert_exact(ours: Detector, model: Detector) -> None:
    images = pictures(model.input_size[0])
    with torch.inference_mode():
        for found, expected in zip(ours(images), model(images), strict=True):
            assert found.dtype == torch.float64
            assert float(expected.std()) > 1e4 * EXACT
            torch.testing.assert_close(found, expected, rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize(
    "config",
    [
        EfficientAdConfig(),
        EfficientAdConfig(pad_maps=False),
        EfficientAdConfig(recipe="nelson1425"),
        EfficientAdConfig(scored_share=0.01),
    ],
    ids=["anomalib", "without-border", "nelson1425", "scored-share"],
)
def test_a_rewritten_efficientad_answers_as_trained(
    config: EfficientAdConfig, thin_model: EfficientAd
) -> None:
    model = copy.deepcopy(thin_model)
    model.config = config
    model.map_size = config.map_size
    model.double()
    assert_exact(RewrittenEfficientAd(model), model)


def test_a_rewritten_efficientad_leaves_the_trained_one_and_shares_its_weights(
    thin_model: EfficientAd,
) -> None:
    before = {name: value.clone() for name, value in thin_model.state_dict().items()}
    ours = rewritten(thin_model)
    assert dict(ours.named_parameters()).keys() == dict(thin_model.named_parameters()).keys()
    for name, parameter in thin_model.named_parameters():
        assert ours.get_parameter(name) is parameter
    assert all(torch.equal(before[name], value) for name, value in thin_model.state_dict().items())
    assert ours.lowest == thin_model.lowest


@pytest.mark.parametrize("mode", ["reconstruction", "zero_shot"])
@pytest.mark.parametrize("mlp_bias", [True, False])
def test_a_rewritten_inpformer_answers_as_trained(mode: str, mlp_bias: bool) -> None:
    model = micro(replace(MICRO, mode=mode, mlp_bias=mlp_bias))
    assert_exact(rewritten(model), model)


@pytest.mark.parametrize("rewriting", INPFORMER_REWRITINGS, ids=lambda one: one.__name__)
def test_each_rewriting_alone_changes_the_model_but_no_answer(rewriting: Rewriting) -> None:
    model = micro()
    ours = rewritten_transformer(model, (rewriting,))
    assert facts(ours) != facts(model)
    assert_exact(ours, model)


def test_a_rewritten_inpformer_shares_the_trained_weights_under_their_names() -> None:
    model = micro()
    before = facts(model)
    ours = rewritten(model)
    named = dict(ours.named_parameters())
    assert named.keys() == dict(model.named_parameters()).keys()
    assert all(named[name] is parameter for name, parameter in model.named_parameters())
    assert facts(model) == before


def test_no_module_that_a_rewriting_is_for_is_left() -> None:
    ours = rewritten(micro())
    kinds = [type(module) for module in ours.modules()]
    assert not {GuidedAttention, nn.GELU} & set(kinds)
    assert kinds.count(FoldedAttention) == MICRO.decoder_depth
    assert ErfGelu in kinds
    assert ("Attention", True) not in facts(ours)


def test_queries_without_length_get_what_the_trained_attention_gives_them() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        attention = GuidedAttention(12, 3).double()
    with torch.no_grad():
        attention.q.bias.zero_()
    queries = torch.zeros(1, 2, 12, dtype=torch.float64)
    queries[0, 1] = 1
    context = torch.linspace(-1, 1, 48, dtype=torch.float64).view(1, 4, 12)
    with torch.inference_mode():
        expected = attention(queries, context)
        found = FoldedAttention(attention).double()(queries, context)
    assert torch.equal(expected[0, 0], attention.proj.bias)
    assert not torch.equal(expected[0, 1], attention.proj.bias)
    torch.testing.assert_close(found, expected, rtol=EXACT, atol=EXACT)


def test_an_approximate_gelu_stays_one() -> None:
    model = micro()
    model.bottleneck.act = nn.GELU(approximate="tanh")
    ours = rewritten_transformer(model, INPFORMER_REWRITINGS)
    assert isinstance(ours.bottleneck.act, nn.GELU)
    assert_exact(ours, model)


def test_other_detectors_stay_as_they_are() -> None:
    class Plain(Detector):
        family = "plain"
        variant = "plain"
        input_size = map_size = (1, 1)
        lowest = 0.0

        def score_of(self, values: Tensor) -> Tensor:
            return values.amax(1)

        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            return images[:, 0], self.score_of(images.flatten(1))

    plain = Plain()
    assert rewritten(plain) is plain
