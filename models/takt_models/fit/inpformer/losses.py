"""The two terms of INP-Former's loss (Luo et al., arXiv 2503.02424, sections 3.2 and 3.4)."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from takt_models.dinov2.maps import Groups
from takt_models.fit.device import Compute
from takt_models.inpformer.detector import InpFormer

LOSSES = ("reconstruction", "coherence")

MINING_POWER = 3.0
COHERENCE_WEIGHT = 0.2
EPS = 1e-8


class _ScaledGradient(torch.autograd.Function):
    """The identity, whose gradient is multiplied by given factors."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factors: Tensor) -> Tensor:
        ctx.save_for_backward(factors)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (factors,) = ctx.saved_tensors
        return gradient * factors, None


def mining_factors(encoder: Tensor, decoder: Tensor, power: float = MINING_POWER) -> Tensor:
    """Weights of the tokens' gradients: (d / mean d)^γ, d = 1 - cos of a token's two sides.

    Args:
        encoder: tokens [N,T,D] to be rebuilt.
        decoder: rebuilt tokens [N,T,D].
        power: γ; 3 in the published schedule.

    Returns:
        [N,T,1], without gradient; the mean is over all tokens of all pictures. All weights are 1
        if every token is rebuilt exactly.
    """
    with torch.no_grad():
        distance = 1 - F.cosine_similarity(encoder, decoder, dim=-1, eps=EPS)
        distance = distance.clamp_min(0)
        mean = distance.mean()
        share = torch.where(mean > 0, distance / mean.clamp_min(1e-12), torch.ones_like(distance))
        return share.pow(power).unsqueeze(-1)


def reconstruction_loss(groups: Groups, power: float = MINING_POWER) -> Tensor:
    """The soft mining loss, mean over groups and pictures of 1 - cos(vec e, vec d).

    All tokens of a picture form one vector. The gradient of each decoded token is multiplied by
    `mining_factors`, so that well-rebuilt tokens hardly move the decoder.

    Args:
        groups: tokens [N,T,D], float32; those of the encoder get no gradient.
        power: γ of the factors.

    Returns:
        A scalar, 0 to 2.

    >>> tokens = (torch.ones(1, 4, 2),)
    >>> reconstruction_loss(Groups(encoder=tokens, decoder=(-tokens[0],)))
    tensor(2.)
    """
    losses = []
    for encoder, decoder in zip(groups.encoder, groups.decoder, strict=True):
        target = encoder.detach()
        factors = mining_factors(target, decoder, power)
        scaled = cast(Tensor, _ScaledGradient.apply(decoder, factors))
        losses.append(
            1 - F.cosine_similarity(target.flatten(1), scaled.flatten(1), dim=-1, eps=EPS).mean()
        )
    return torch.stack(losses).mean()


def step_losses(
    model: InpFormer, encoded: tuple[Tensor, ...], sample: Tensor | None, compute: Compute
) -> Tensor:
    """The terms of one step's loss, weighted.

    Args:
        model: detector whose extractor, bottleneck and decoder are trained.
        encoded: means [N,T,D] of the encoder over groups that are of one size and leave out no
            block, so that their mean is the fused tokens; float32, without gradient.
        sample: tokens [S] that the decoder rebuilds; all if None. The extractor and the coherence
            loss see all tokens in any case.
        compute: precision of the forward passes.

    Returns:
        float32 [2] in the order of `LOSSES`; their sum is the loss.
    """
    fused = model.fuse(encoded)
    with compute.autocast():
        inps = model.extract(fused)
    coherence = model.coherence(model.distance(fused, inps.float())).mean()
    if sample is not None:
        fused, encoded = fused[:, sample], tuple(group[:, sample] for group in encoded)
    with compute.autocast():
        decoded = model.decode(fused, inps)
    groups = Groups(encoded, model.group_decoded([tokens.float() for tokens in decoded]))
    return torch.stack([reconstruction_loss(groups), COHERENCE_WEIGHT * coherence])
