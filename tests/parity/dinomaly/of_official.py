"""What the official Dinomaly answers with the drawn weights. Run with a copy of its repository,
guojiajeremy/Dinomaly at commit c5c76d0, as DINOMALY, and what that needs:

    PYTHONPATH=tests/parity/dinomaly:DINOMALY python tests/parity/dinomaly/of_official.py \
        tests/data/dinomaly

It puts the parts together as the repository's scripts do, and its own functions make map and score.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch
from dinov2.models.vision_transformer import DinoVisionTransformer
from drawn import CASES, DECODER_DEPTH, POSITIONS, STRIDE, Case
from takt_models.uad import ViTill
from takt_models.vision_transformer import Block, LinearAttention2, bMlp
from torch import nn
from utils import cal_anomaly_maps, get_gaussian_kernel

TARGETS = {10: [2, 3, 4, 5, 6, 7, 8, 9], 24: [4, 6, 8, 10, 12, 14, 16, 18]}
GROUPS = [[0, 1, 2, 3], [4, 5, 6, 7]]


def build(case: Case) -> ViTill:
    heads = case.dim // 64
    encoder = DinoVisionTransformer(
        patch_size=14,
        img_size=14 * POSITIONS,
        embed_dim=case.dim,
        depth=case.depth,
        num_heads=heads,
        block_chunks=0,
        init_values=1e-8,
        num_register_tokens=case.registers,
        interpolate_antialias=False,
        interpolate_offset=0.1,
    )
    norm = partial(nn.LayerNorm, eps=1e-8)
    block = partial(Block, mlp_ratio=4.0, qkv_bias=True, norm_layer=norm, attn=LinearAttention2)
    decoder = [block(dim=case.dim, num_heads=heads) for _ in range(DECODER_DEPTH)]
    return ViTill(
        encoder=encoder,
        bottleneck=nn.ModuleList([bMlp(case.dim, case.dim * 4, case.dim, drop=0.2)]),
        decoder=nn.ModuleList(decoder),
        target_layers=TARGETS[case.depth],
        mask_neighbor_size=0,
        fuse_layer_encoder=GROUPS,
        fuse_layer_decoder=GROUPS,
    )


@torch.no_grad()
def evaluate(model: ViTill, images: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Map and score as `evaluation_batch` makes them with max_ratio=0.01 and resize_mask=256."""
    anomaly_map, _ = cal_anomaly_maps(*model(images), images.shape[-1])
    anomaly_map = nn.functional.interpolate(
        anomaly_map, size=256, mode="bilinear", align_corners=False
    )
    anomaly_map = get_gaussian_kernel(kernel_size=5, sigma=4).to(images.dtype)(anomaly_map)
    ordered = anomaly_map.flatten(1).sort(dim=1, descending=True).values
    score = ordered[:, : int(ordered.shape[1] * 0.01)].mean(dim=1)
    return anomaly_map[:, 0].numpy(), score.numpy()


def main(folder: Path) -> None:
    answers = {}
    for case in CASES:
        if case.owner != "official":
            continue
        model = build(case).eval()
        model.load_state_dict(case.state())
        anomaly_map, score = evaluate(model, case.inputs())
        _, exact = evaluate(model.double(), case.inputs().double())
        answers |= {
            f"{case.name}.map": anomaly_map[:, ::STRIDE, ::STRIDE],
            f"{case.name}.score": score,
            f"{case.name}.score64": exact,
        }
    np.savez_compressed(folder / "official.npz", **answers)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
