"""Attention to the intrinsic normal prototypes, and what is made of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from takt_models.inpformer.detector import InpFormer
from takt_models.inpformer.inp import CrossAttention, DecoderBlock, GuidedAttention, InpExtractor
from tests.unit.models.inpformer.smallest import SMALLEST, config_with, unlike_defaults

pytestmark = pytest.mark.usefixtures("seed")


@torch.no_grad()
def test_the_cross_attention_is_that_of_torch() -> None:
    ours = CrossAttention(32, 4)
    theirs = nn.MultiheadAttention(32, 4, batch_first=True)
    theirs.in_proj_weight.copy_(torch.cat([ours.q.weight, ours.kv.weight]))
    theirs.in_proj_bias.copy_(torch.cat([ours.q.bias, ours.kv.bias]))
    theirs.out_proj.load_state_dict(ours.proj.state_dict())
    queries, context = torch.randn(2, 5, 32), torch.randn(2, 9, 32)
    expected, _ = theirs(queries, context, context)
    torch.testing.assert_close(ours(queries, context), expected)


@torch.no_grad()
def test_guided_attention_weighs_values_by_the_positive_scaled_cosine_of_each_head() -> None:
    attention = GuidedAttention(6, 2)
    attention.learn_scale.copy_(torch.tensor([2.0, 0.5]).view(2, 1, 1))
    attention.proj.weight.copy_(torch.eye(6))
    attention.proj.bias.zero_()
    tokens, inps = torch.randn(1, 4, 6), torch.randn(1, 3, 6)
    found = attention(tokens, inps)[0].numpy()

    q = attention.q(tokens)[0].numpy()
    k, v = np.split(attention.kv(inps)[0].numpy(), 2, axis=1)
    expected = np.zeros((4, 6))
    for head, scale in enumerate((2.0, 0.5)):
        of_head = slice(3 * head, 3 * head + 3)
        for token in range(4):
            for inp in range(3):
                a, b = q[token, of_head], k[inp, of_head]
                cosine = a @ b / math.sqrt((a @ a) * (b @ b))
                expected[token, of_head] += max(0.0, scale * cosine) * v[inp, of_head]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@torch.no_grad()
def test_a_token_that_resembles_no_inp_gets_nothing_of_them() -> None:
    attention = GuidedAttention(6, 1)
    attention.q.load_state_dict({"weight": torch.eye(6), "bias": torch.zeros(6)})
    attention.kv.load_state_dict({"weight": torch.eye(6).repeat(2, 1), "bias": torch.zeros(12)})
    inps = torch.rand(1, 3, 6)
    found = attention(-inps, inps)
    torch.testing.assert_close(found, attention.proj.bias.expand(1, 3, 6))


@torch.no_grad()
def test_the_extractor_adds_to_its_learned_tokens_what_they_see() -> None:
    extractor = InpExtractor(SMALLEST)
    unlike_defaults(extractor)
    x = torch.randn(2, 16, 32)
    learned = extractor.tokens
    normed = F.layer_norm(learned, (32,), extractor.norm1.weight, extractor.norm1.bias, 1e-8)
    context = F.layer_norm(x, (32,), extractor.norm1.weight, extractor.norm1.bias, 1e-8)
    seen = torch.stack([learned + extractor.attn(normed[None], one[None])[0] for one in context])
    torch.testing.assert_close(extractor(x), seen + extractor.mlp(extractor.norm2(seen)))


@torch.no_grad()
def test_no_residual_goes_around_the_decoders_attention() -> None:
    block = DecoderBlock(SMALLEST)
    nn.init.zeros_(block.mlp.fc2.weight)
    nn.init.zeros_(block.mlp.fc2.bias)
    x, inps = torch.randn(1, 7, 32), torch.randn(1, 5, 32)
    torch.testing.assert_close(block(x, inps), block.attn(block.norm1(x), block.norm1(inps)))


@pytest.mark.parametrize("bias", [True, False])
def test_mlp_bias_is_of_extractor_and_decoder_alone(bias: bool) -> None:
    names = InpFormer(config_with(mlp_bias=bias)).state_dict().keys()
    assert "bottleneck.fc1.bias" in names
    assert "encoder.blocks.0.mlp.fc1.bias" in names
    assert ("extractor.mlp.fc1.bias" in names) == bias
    assert ("decoder.2.mlp.fc2.bias" in names) == bias
